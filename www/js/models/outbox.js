// What was typed and is not yet known to have arrived. It is kept until the server's broadcast
// with its cid comes back, through lost connections and reloads alike; sending a cid again
// changes nothing on the server, so it is sent as often as needed and posted once.

/** An id that says nothing and is met once: 128 random bits. */
export function newCid(fill = bytes => crypto.getRandomValues(bytes)) {
  const bytes = fill(new Uint8Array(16));
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * Items are `{cid, room, time, body, state, problem?}`; `body` is what goes on the wire and
 * `state` is `queued`, `sent` or `failed`.
 */
export class Outbox {
  items = [];
  #pausedUntil = 0;
  #timer = null;
  #oneByOne = false;

  /**
   * @param store `{read(), write(items)}`, the tab's session storage
   * @param send `(item) -> boolean`; false means that it cannot go now
   * @param changed `(room)` is called when something to be seen has changed
   */
  constructor({ store, clock, send, changed }) {
    this.store = store;
    this.clock = clock;
    this.send = send;
    this.changed = changed;
    this.items = (store.read() ?? []).map(item =>
      item.state === 'sent' ? { ...item, state: 'queued' } : item,
    );
  }

  /** `more` is kept with the item and not sent. */
  add(room, body, more = {}) {
    const cid = newCid();
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

  /** Sends what can go, oldest first; what is typed later never overtakes. */
  flush() {
    if (this.clock.now() < this.#pausedUntil) return;
    const held = new Set();
    for (const item of this.items) {
      if (this.#oneByOne && this.items.some(other => other.state === 'sent')) return;
      if (item.state !== 'queued' || held.has(item.room)) continue;
      if (this.send(item)) this.#turn(item, 'sent');
      else held.add(item.room);
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

  fail(cid, problem) {
    const item = this.find(cid);
    if (!item) return;
    item.problem = problem;
    this.#turn(item, 'failed');
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

  /** One item goes back to the queue, to be sent when its room is joined again. */
  requeue(cid) {
    const item = this.find(cid);
    if (item) this.#turn(item, 'queued');
  }

  #remove(cid) {
    const index = this.items.findIndex(item => item.cid === cid);
    if (index < 0) return null;
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
