// What was typed and is not yet known to have arrived. It is kept until the server's broadcast
// with its cid comes back, through lost connections and reloads alike; sending a cid again
// changes nothing on the server, so it is sent as often as needed and posted once.

import { backoffDelay } from './connection.js';

/** What failed at the server is asked again after this, and more. */
const STORAGE_MS = 1000;

/** An id that says nothing and is met once: 128 random bits. */
export function newCid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * Items are `{cid, room, time, body, state, problem?}`; `body` is what goes on the wire and
 * `state` is `queued`, `sent` or `failed`. The bytes of a file are kept as long as the page.
 */
export class Outbox {
  items = [];
  /** By cid. */
  bytes = new Map();
  #pausedUntil = 0;
  #timer = null;
  #oneByOne = false;

  /**
   * @param store `{read(), write(items)}`, the tab's session storage
   * @param send `(item, bytes?) -> boolean`; false means that it cannot go now
   * @param changed `(room)` is called when something to be seen has changed
   */
  constructor({ store, clock, send, changed }) {
    this.store = store;
    this.clock = clock;
    this.send = send;
    this.changed = changed;
    this.items = [].concat(store.read() ?? []).filter(item => item?.body);
    for (const item of this.items) {
      if (item.body.type === 'file') Object.assign(item, { state: 'failed', problem: { code: 'lost' } });
      else if (item.state === 'sent') item.state = 'queued';
    }
  }

  /** `more` is kept with the item and not sent. */
  add(room, body, more = {}, bytes) {
    const cid = newCid();
    if (bytes) this.bytes.set(cid, bytes);
    const item = { ...more, cid, room, time: this.clock.now(), body: { ...body, cid }, state: 'queued' };
    this.items.push(item);
    this.#save(room);
    this.flush();
    return item;
  }

  of(room) {
    return this.items.filter(item => item.room === room);
  }

  find(cid) {
    return this.items.find(item => item.cid === cid);
  }

  /** Sends what can go, oldest first; what is typed later never overtakes, nor a file under way. */
  flush() {
    if (this.clock.now() < this.#pausedUntil) return;
    const held = new Set();
    for (const item of this.items) {
      if (this.#oneByOne && this.items.some(other => other.state === 'sent')) return;
      const { state, room, cid, body } = item;
      if (state === 'failed') continue;
      const sends = state === 'queued' && !held.has(room) && this.send(item, this.bytes.get(cid));
      if (sends) this.#turn(item, 'sent');
      if (item.state === 'queued' || body.type === 'file') held.add(room);
    }
  }

  /** The server's answer came: it is there for good. Returns the item if it was ours to wait for. */
  delivered(cid) {
    const item = this.#remove(cid);
    if (item) this.#settled();
    return item;
  }

  /** Nothing is to be heard of an item any more; the next may be waiting for that. */
  #settled() {
    if (!this.items.some(item => item.state !== 'failed')) this.#oneByOne = false;
    this.flush();
  }

  /**
   * The server asked for a pause (rate limit, full queue). Everything waits, and then goes one
   * at a time until the box is empty, so that the order holds and the limit is not hit again.
   */
  postpone(cid, retryMs) {
    const item = this.find(cid);
    if (!item) return;
    this.#turn(item, 'queued');
    this.#oneByOne = true;
    this.#pausedUntil = Math.max(this.#pausedUntil, this.clock.now() + retryMs);
    this.clock.clearTimeout(this.#timer);
    this.#timer = this.clock.setTimeout(() => this.flush(), this.#pausedUntil - this.clock.now());
  }

  fail(problem, ...cids) {
    for (const item of this.items) {
      if (!cids.includes(item.cid)) continue;
      item.problem = problem;
      this.#turn(item, 'failed');
    }
    this.#settled();
  }

  /** Once more, with the same cid: should the first copy have arrived after all, nothing doubles. */
  retry(cid) {
    const item = this.find(cid);
    if (!item) return;
    delete item.problem;
    this.#turn(item, 'queued');
    this.flush();
  }

  discard(...cids) {
    for (const cid of cids) this.#remove(cid);
    this.#settled();
  }

  /** The connection is gone, and with it every answer still under way. */
  disconnected() {
    this.#pausedUntil = 0;
    for (const item of this.items) {
      if (item.state === 'sent') this.#turn(item, 'queued');
    }
  }

  #remove(cid) {
    const index = this.items.findIndex(item => item.cid === cid);
    if (index < 0) return null;
    this.bytes.delete(cid);
    const [item] = this.items.splice(index, 1);
    this.#save(item.room);
    return item;
  }

  #turn(item, state) {
    item.state = state;
    this.#save(item.room);
  }

  #save(room) {
    this.store.write(this.items);
    this.changed(room);
  }
}

/**
 * Questions that the server answers to us alone (joining, history). They hold no text of
 * anybody's, so a lost connection simply forgets them; a server that is busy is asked again.
 */
export class Requests {
  #open = new Map();

  /** @param send `(object) -> boolean` */
  constructor({ clock, random, send }) {
    this.clock = clock;
    this.random = random;
    this.send = send;
  }

  /** Asks; `context` comes back with the answer. Returns the question's cid. */
  ask(body, context = {}) {
    const cid = newCid();
    this.#open.set(cid, { body, context, attempts: 0 });
    this.send({ ...body, cid });
    return cid;
  }

  /** The question with this cid, `{body, context}`, if it was one of ours. */
  find(cid) {
    return this.#open.get(cid);
  }

  /** The context of the question that this cid answers, if it was one of ours. */
  answered(cid) {
    const request = this.#open.get(cid);
    this.#open.delete(cid);
    return request?.context;
  }

  /** Asks again: when the server says, or later each time. */
  postpone(cid, retryMs) {
    const request = this.#open.get(cid);
    // Of many that are told the same time not all come back at it.
    const wait =
      retryMs * (1 + this.random() * (this.#open.size - 1)) ||
      STORAGE_MS + backoffDelay((request.attempts += 1), this.random);
    this.clock.setTimeout(() => {
      if (this.#open.get(cid) === request) this.send({ ...request.body, cid });
    }, wait);
  }

  forget() {
    this.#open.clear();
  }

  /** Nobody waits any more for what was asked about a room. */
  forgetRoom(name) {
    for (const [cid, { body }] of this.#open) if (body.room === name) this.#open.delete(cid);
  }
}

/**
 * Files that were asked for, one at a time, as the server gives them. A lost connection forgets
 * the question and not the wish.
 */
export class Fetches {
  /** By key: `{entry, done}`. */
  #wanted = new Map();
  #cid = null;

  constructor(chat) {
    this.chat = chat;
  }

  /** `done(bytes)`, or `done(null, problem)` with `{code, text}`. */
  want(key, entry, done) {
    this.#wanted.set(key, { entry, done });
    this.next();
  }

  drop(key) {
    this.#wanted.delete(key);
    this.next();
  }

  /** Asks for what can be had now. */
  next() {
    const { requests, rooms, connection } = this.chat;
    if (requests.find(this.#cid)) return;
    const found = [...this.#wanted].find(([, { entry }]) => rooms.get(entry.room)?.standing === 'in');
    connection.receiving = Boolean(found);
    if (!found) return;
    const [key, { entry: { room, seq } }] = found;
    this.#cid = requests.ask({ type: 'fetch', room, seq }, { key });
  }

  answered({ cid, size }, bytes, problem) {
    const key = this.chat.requests.answered(cid)?.key;
    const { entry, done } = this.#wanted.get(key) ?? {};
    this.#wanted.delete(key);
    // Where the numbering has begun anew, another file may be there.
    if (bytes && size !== entry?.size) done?.(null, { code: 'gone' });
    else done?.(bytes, problem);
    this.next();
  }
}
