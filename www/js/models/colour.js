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
