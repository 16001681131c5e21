// What a message's plain text contains. The text itself is never changed: joined together, the
// tokens give it back.

const LINK = /https?:\/\/[^\s<>"]+/giu;
const TRAILING = /[.,;:!?…'’»”]$/u;
const BRACKETS = { ')': '(', ']': '[', '}': '{' };

/** Tokens are `{text}` or `{text, href}`. */
export function tokens(text) {
  const found = [];
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    const link = withoutTail(match[0]);
    const href = webAddress(link);
    if (!href) continue;
    if (match.index > end) found.push({ text: text.slice(end, match.index) });
    found.push({ text: link, href });
    end = match.index + link.length;
  }
  if (end < text.length) found.push({ text: text.slice(end) });
  return found;
}

/** A sentence's full stop is not the link's, nor is a bracket that was opened before it. */
function withoutTail(link) {
  for (;;) {
    const last = link.at(-1);
    const opening = BRACKETS[last];
    const unbalanced = opening && count(link, last) > count(link, opening);
    if (!TRAILING.test(link) && !unbalanced) return link;
    link = link.slice(0, -1);
  }
}

function webAddress(link) {
  try {
    const url = new URL(link);
    return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : null;
  } catch {
    return null;
  }
}

function count(text, character) {
  return text.split(character).length - 1;
}
