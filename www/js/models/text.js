// What a message's plain text contains, how it could go on while it is written, and what is made
// of a name.

/**
 * In this order: a block between lines of three backticks, with a word for its language; a word
 * or more of code in one line; a link; stars; the end of a line.
 */
const PIECE =
  /(\n?(?<!`)```(?!`)(?:[\w+#.-]*\n)?)(?!\s*```)([^]+?)(\n?```(?!`)\n?)|(?<!`)`([^`\n]+)`(?!`)|https?:\/\/[^\s<>"`]+|(?<!\*)\*{1,3}(?!\*)|\n/giu;
const TRAILING = '.,;:!?…\'’»”*';
const BRACKETS = { ')': '(', ']': '[', '}': '{' };
const WORD = '\\p{L}\\p{M}\\p{N}_';
const IN_WORD = new RegExp(`[${WORD}]`, 'u');
const EMOJI = /^(?:\p{RGI_Emoji}\s*){1,3}$/v;

/**
 * Tokens are `{text}` with `href`, or any of `code`, `block`, `bold`, `italic`; `mark` is what
 * made them so, and `mention` the reader's own name. Neither bold nor italic goes on beyond its
 * line or into code.
 */
export function tokens(text, name) {
  const found = [];
  let open = {};
  let end = 0;
  const take = (length, more) => {
    if (length) found.push({ text: text.slice(end, end + length), ...more });
    end += length;
  };
  PIECE.lastIndex = 0;
  for (let match; (match = PIECE.exec(text)); ) {
    const [piece, opening, block, closing, code] = match;
    const { index } = match;
    if (piece[0] === '*') {
      take(index - end);
      const before = text[index - 1] ?? ' ';
      const after = text[index + piece.length] ?? ' ';
      for (const sign of piece.match(/\*\*?/g)) {
        const at = found.length;
        take(sign.length);
        if (open[sign] !== undefined && before.trim() && !IN_WORD.test(after)) {
          for (const inside of found.slice(open[sign], at)) inside[sign === '*' ? 'italic' : 'bold'] = true;
          found[open[sign]].mark = found[at].mark = true;
          delete open[sign];
        } else if (after.trim() && !IN_WORD.test(before)) {
          open[sign] = at;
        }
      }
      continue;
    }
    const link = /^http/i.test(piece) && withoutTail(piece);
    const href = link && URL.canParse(link) && new URL(link).href;
    if (!link) open = {};
    if (!href && !block && !code) continue;
    take(index - end);
    if (href) {
      take(link.length, { href });
      // The stars at its end are not its own.
      PIECE.lastIndex = end;
    } else {
      take((opening ?? '`').length, { mark: true });
      take((block ?? code).length, { code: true, block: Boolean(block) });
      take((closing ?? '`').length, { mark: true });
    }
  }
  take(text.length - end);
  return name ? withMentions(found, name) : found;
}

/** Whether a reader of this name is spoken of. */
export function mentions(text, name) {
  return tokens(text, name).some(({ mention }) => mention);
}

/** Up to three, and nothing else. */
export function isEmoji(text) {
  return EMOJI.test(text);
}

/** The name as a word of its own, in any case, with or without @. */
function withMentions(found, name) {
  const words = name.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&').replace(/\s+/g, '\\s+');
  const spoken = new RegExp(`(?<![${WORD}])(@?${words})(?![${WORD}])`, 'iu');
  return found.flatMap(token => {
    if (token.href || token.code || token.mark) return token;
    const parts = token.text.split(spoken);
    return parts.flatMap((text, index) => (text ? { ...token, text, ...(index % 2 && { mention: true }) } : []));
  });
}

/** A sentence's full stop is not the link's, nor is a bracket that was opened before it. */
function withoutTail(link) {
  const surplus = {};
  for (const bracket in BRACKETS) {
    surplus[bracket] = link.split(bracket).length - link.split(BRACKETS[bracket]).length;
  }
  let end = link.length;
  while (TRAILING.includes(link[end - 1]) || surplus[link[end - 1]]-- > 0) end -= 1;
  return link.slice(0, end);
}

/** How a private message to somebody begins. */
export const privately = name => `/msg ${name.includes(' ') ? `"${name}"` : name} `;

/** As long as a name may be, with an @ before it. */
const NAME = 33;
const KEPT = 50;

/**
 * What may stand before the caret instead: `{start, options}`, or nothing. An option is
 * `{usage, insert, help?}`; `insert` takes the place of the text from `start` to the caret.
 *
 * @param names of the people in the room
 * @param commands `{name, usage, help}`, as the server lists them
 * @param after what follows a name at the beginning of a message
 */
export function completion(before, names, commands, after) {
  const offer = (start, word, all) => {
    const options = all.filter(({ usage }) => usage.toLowerCase().startsWith(word.toLowerCase()));
    return options[0] && { start, options };
  };
  const people = insert => names.map(usage => ({ usage, insert: insert(usage) }));
  if (/^\/\S*$/.test(before)) {
    return offer(0, before, commands.map(it => ({ ...it, insert: `/${it.name} ` })));
  }
  const [, word] = /^\/msg ("[^"]*|[^\s"]+)$/.exec(before) ?? [];
  if (word) return offer(0, word.replace('"', ''), people(privately));
  // A name may have blanks: the longest piece that begins one counts.
  for (const { index } of before.matchAll(/(?<!\S)(?:@\S|[^\s@])/g)) {
    const start = index + (before[index] === '@');
    const found = index >= before.length - NAME &&
      offer(start, before.slice(start), people(name => name + (start ? ' ' : after)));
    if (found) return found;
  }
}

/** The last texts that were sent from this tab, and a walk through them. */
export class Recall {
  /** How many steps back one has gone. */
  back = 0;

  /** @param store the tab's */
  constructor(store) {
    this.store = store;
  }

  add(text) {
    this.store.set('sent', [...this.#sent.filter(other => other !== text), text].slice(-KEPT));
  }

  /** The text so many steps back, negative ones forth: an empty one after the newest. */
  step(by) {
    this.back = Math.min(this.back + by, this.#sent.length);
    return this.back ? this.#sent.at(-this.back) : '';
  }

  get #sent() {
    return this.store.get('sent') ?? [];
  }
}

/**
 * A hue that belongs to a name. The style sheets give it a lightness that reads well in either
 * theme, so a person has one colour everywhere and always.
 */
export function hue(name) {
  let hash = 2166136261;
  for (const character of name.toLowerCase()) {
    hash = Math.imul(hash ^ character.codePointAt(0), 16777619);
  }
  // Steps of 15 degrees: two people have the same colour or visibly different ones.
  return ((hash >>> 0) % 24) * 15;
}

/** The letters that stand for a person: of the first two words, or the first alone. */
export function initials(name) {
  const words = name.split(/[\s_.-]+/u).filter(Boolean);
  return words.slice(0, 2).map(word => [...word][0]).join('').toUpperCase() || '?';
}
