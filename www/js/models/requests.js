// Questions that the server answers to us alone (joining, history). They hold no text of
// anybody's, so a lost connection simply forgets them; a server that is busy is asked again.

import { backoffDelay } from './backoff.js';
import { newCid } from './outbox.js';

/** What failed at the server is asked again after this, and more. */
const STORAGE_MS = 1000;

export class Requests {
  #open = new Map();

  /** @param send `(object) -> boolean` */
  constructor({ clock, random, send }) {
    this.clock = clock;
    this.random = random;
    this.send = send;
  }

  /** Asks; `context` comes back with the answer. */
  ask(body, context = {}) {
    const cid = newCid();
    this.#open.set(cid, { body, context, attempts: 0 });
    this.send({ ...body, cid });
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
    const wait = retryMs ?? STORAGE_MS + backoffDelay((request.attempts += 1), this.random);
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
