// What is shown of one room, in order: the room's entries by seq, and between them what only
// this page knows (arrivals, notices, direct messages, gaps); and the rows that become of it.

/** A longer gap is not fetched but shown. */
export const FILLED_GAP = 1000;
/** Above this many the oldest go; scrolling up fetches them again. */
const KEPT = 1500;

/**
 * Items are `{key, kind, at, order, …}`. An entry (`kind: 'entry'`) stands at its seq, anything
 * else after the entry that was newest when it happened. `era` grows when the server starts a
 * new epoch, so that what was said before stays on the page, above the new numbering.
 */
export class Timeline {
  items = [];
  epoch = null;
  /** Newest seq known; what `after` says when joining again. */
  seq = 0;
  /** True while the server has entries older than the oldest shown. */
  more = false;
  #era = 0;
  #order = 0;
  #known = new Map();

  /**
   * Takes in the answer to a join and returns the entries that were missed meanwhile: none on
   * the first join. What is missing still is marked by `openGap`.
   */
  join({ epoch, seq, entries, recovered, more }) {
    if (this.epoch !== epoch || seq < this.seq) return this.#begin({ epoch, seq, entries, more });
    const last = this.seq;
    const first = entries.length ? entries[0].seq : seq + 1;
    if (!recovered && first > last + 1) {
      const long = first - last - 1 > FILLED_GAP;
      this.#push({ kind: 'gap', at: last, from: last + 1, to: first - 1, long });
    }
    this.add(entries);
    return entries.filter(entry => entry.seq > last);
  }

  /** A gap that is to be fetched: `{from, to}`. */
  get openGap() {
    return this.items.find(isOpenGap);
  }

  /** Adds entries in any order; returns how many were new. Known ones are only ever removed. */
  add(entries) {
    let added = 0;
    for (const entry of entries) {
      const key = `${this.#era}:${entry.seq}`;
      const known = this.#known.get(key);
      if (!Number.isInteger(entry.seq) || isNaN(new Date(entry.time))) continue;
      if (known) {
        if (entry.type === 'removed') known.entry = entry;
        continue;
      }
      const item = { key, kind: 'entry', era: this.#era, at: entry.seq, order: 0, entry };
      this.#known.set(key, item);
      this.items.push(item);
      this.seq = Math.max(this.seq, entry.seq);
      added += 1;
    }
    if (added) this.items.sort(inOrder);
    return added;
  }

  /** Entries older than the oldest shown, as `history` gave them. */
  prepend(entries, more) {
    this.more = more;
    return this.add(entries);
  }

  /** A part of a gap, as `history` gave it. The gap shrinks; when it is closed it goes. */
  fill(gap, entries) {
    // It may be forgotten by now.
    if (!this.items.includes(gap)) return;
    this.add(entries);
    gap.from = entries.length ? entries.at(-1).seq + 1 : gap.to + 1;
    if (gap.from > gap.to) this.items = this.items.filter(item => item !== gap);
  }

  /** Something that only this page saw, at the end. */
  note(kind, content, at = this.seq) {
    return this.#push({ kind, at, ...content });
  }

  /** The line where reading stopped: after the entry `at`, or nowhere. */
  markUnread(at = null) {
    this.items = this.items.filter(({ kind }) => kind !== 'unread');
    if (at !== null) this.note('unread', {}, at);
  }

  /** Arrivals and departures: one quiet line as long as nothing else happens. */
  presence({ arrived = [], left = [], renamed = [] }, time) {
    if (!arrived.length && !left.length && !renamed.length) return;
    let line = this.items.at(-1);
    if (line?.kind !== 'presence') {
      line = this.note('presence', { arrived: [], left: [], renamed: [], time });
    }
    line.time = time;
    for (const person of arrived) {
      if (!remove(line.left, person.id)) line.arrived.push(person);
    }
    for (const person of left) {
      if (remove(line.arrived, person.id)) remove(line.renamed, person.id);
      else line.left.push(person);
    }
    for (const person of renamed) {
      const known = line.renamed.find(({ id }) => id === person.id);
      if (!known) line.renamed.push(person);
      else if (known.old === person.name) remove(line.renamed, person.id);
      else known.name = person.name;
    }
    if (!line.arrived.length && !line.left.length && !line.renamed.length) this.items.pop();
  }

  /** Seq of the oldest entry shown in this epoch: what to ask history `before`. */
  get oldest() {
    return this.items.find(item => item.kind === 'entry' && item.era === this.#era)?.at ?? null;
  }

  /** Forgets the oldest, for a page that has been open for days. */
  trim(kept = KEPT) {
    if (this.items.length <= kept * 1.25) return;
    for (const { key, entry, era } of this.items.splice(0, this.items.length - kept)) {
      this.#known.delete(key);
      if (entry && era === this.#era) this.more = true;
    }
  }

  /**
   * A new numbering: the server was restored, or keeps its history in memory and was started
   * anew. What is on the page stays above a divider, less what the new history has too.
   */
  #begin({ epoch, seq, entries, more }) {
    const again = this.epoch !== null;
    const before = new Set(this.items.map(item => item.entry && identity(item.entry)));
    const now = new Set(entries.map(identity));
    this.items = this.items.filter(
      item => !isOpenGap(item) && !(item.entry && now.has(identity(item.entry))),
    );
    this.#era += 1;
    if (this.items.length) this.#push({ kind: 'epoch', at: 0 });
    this.epoch = epoch;
    this.more = more;
    this.add(entries);
    this.seq = seq;
    return again ? entries.filter(entry => !before.has(identity(entry))) : [];
  }

  #push(content) {
    this.#order += 1;
    const item = { key: `n${this.#order}`, era: this.#era, order: this.#order, ...content };
    this.items.push(item);
    if (item.at < this.seq) this.items.sort(inOrder);
    return item;
  }
}

function isOpenGap({ kind, long }) {
  return kind === 'gap' && !long;
}

function inOrder(a, b) {
  return a.era - b.era || a.at - b.at || a.order - b.order;
}

/** What makes an entry the same in two numberings. */
function identity(entry) {
  return `${entry.from?.id} ${entry.cid ?? entry.time}`;
}

function remove(people, id) {
  const index = people.findIndex(person => person.id === id);
  if (index >= 0) people.splice(index, 1);
  return index >= 0;
}

const GROUP_MS = 5 * 60_000;

/**
 * Rows are `{key, kind, item?, day?, grouped?, reader?}`. A key names the same row for as long as it is
 * shown; one's own message keeps its key from pending to delivered.
 */
export function layout(items, pending, me) {
  const rows = [];
  let day = null;
  let previous = null;
  for (const item of [...items, ...pending.map(asItem)]) {
    const time = item.entry?.time ?? item.time;
    if (time !== undefined && dayOf(time) !== day) {
      day = dayOf(time);
      rows.push({ key: `day ${day}`, kind: 'day', time });
      previous = null;
    }
    const row = { key: item.key, kind: item.kind, item };
    if (item.entry) {
      row.mine = Boolean(item.pending) || item.entry.from?.id === me.id;
      if (row.mine && item.entry.cid) row.key = `own ${item.entry.cid}`;
      row.grouped = continues(previous, item.entry);
      if (!row.mine) row.reader = me.name;
    }
    if (item.kind === 'direct') row.mine = item.message.from.id === me.id;
    previous = item.entry && isSpeech(item.entry) ? item.entry : null;
    rows.push(row);
  }
  return rows;

  function asItem(item) {
    const entry = { ...item.body, from: me, time: item.time };
    return { key: item.cid, kind: 'entry', entry, pending: item };
  }
}

export function isAction(entry) {
  return entry.type !== 'file' && Boolean(entry.text?.startsWith('/me '));
}

/** What can stand in a group under its author's name. */
function isSpeech(entry) {
  return !isAction(entry) && entry.type !== 'direct' && entry.type !== 'command';
}

function continues(previous, entry) {
  return (
    previous !== null &&
    isSpeech(entry) &&
    previous.from?.id === entry.from?.id &&
    previous.from?.name === entry.from?.name &&
    Math.abs(entry.time - previous.time) < GROUP_MS
  );
}

function dayOf(time) {
  const date = new Date(time);
  return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
}
