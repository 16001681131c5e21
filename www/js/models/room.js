// One room as this page knows it: its timeline, its people, who is typing, what is unread.

import { Timeline } from './timeline.js';

const TYPING_MS = 5000;

export const DEFAULT_ROOM = 'lobby';

/** Letters and digits of any script, and after the first the marks that the server takes. */
const ROOM =
  /^[\p{Alphabetic}\p{N}_-][\p{Alphabetic}\p{N}_\u0300-\u034e\u0350-\u036f\u093c\u094d\u09bc\u09cd\u0e47-\u0e4e\u1ab0-\u1aff\u1dc0-\u1dff-]{0,63}$/u;

/** The room that a person means, as the server spells it, or null if there can be none. */
export function roomName(text) {
  const words = text.trim().replace(/^#/, '').replace(/\s+/g, '-');
  // Letter by letter: the case of a whole word would end ΟΔΟΣ in another sigma.
  const name = Array.from(words, letter => letter.toLowerCase()).join('');
  return ROOM.test(name) ? name : null;
}

export class Room {
  timeline = new Timeline();
  members = new Map();
  count = 0;
  unread = 0;
  /** How many of those speak of us or to us alone. */
  mentions = 0;
  /** `out`, `joining` or `in`, on the present connection. */
  standing = 'out';
  loadingOlder = false;
  /** Entries of others found since the connection was lost, until they are reported. */
  missed = 0;
  missedAfter = null;
  /** `{epoch, seq}` of the newest entry that was seen. */
  read = null;
  #typing = new Map();

  constructor(name) {
    this.name = name;
  }

  setMembers(members, count) {
    this.members = new Map(members.map(person => [person.id, person]));
    this.count = count;
  }

  /** Above a hundred members the server tells the count alone; then, below, all `members`. */
  presence({ count, members, arrived = [], left = [], renamed = [] }) {
    this.count = count;
    if (members) this.setMembers(members, count);
    for (const { id } of left) {
      this.members.delete(id);
      this.#typing.delete(id);
    }
    for (const person of [...arrived, ...renamed]) this.members.set(person.id, person);
  }

  /** People in the order of their names, oneself first. */
  people(me) {
    return [...this.members.values()].sort(
      (a, b) => (b.id === me) - (a.id === me) || a.name.localeCompare(b.name),
    );
  }

  startsTyping(person, now) {
    this.typing(now);
    this.#typing.set(person.id, { name: person.name, until: now + TYPING_MS });
  }

  stopsTyping(id) {
    this.#typing.delete(id);
  }

  /** Names of those typing now, and when to look again (null: nobody is). */
  typing(now) {
    for (const [id, { until }] of this.#typing) if (until <= now) this.#typing.delete(id);
    const all = [...this.#typing.values()];
    return {
      names: all.map(person => person.name),
      next: all.length ? Math.min(...all.map(person => person.until)) : null,
    };
  }
}
