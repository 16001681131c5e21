// What is offered while one writes: names of people, commands, and what one has sent before.

import { privately } from './chat.js';

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
