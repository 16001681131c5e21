// Questions that the server answers to us alone (joining, history). They hold no text of
// anybody's, so a lost connection simply forgets them; a server that is busy is asked again.

import { newCid } from './outbox.js';

export class Requests {
  #open = new Map();

  /** @param send `(object) -> boolean` */
  constructor({ clock, send }) {
    this.clock = clock;
    this.send = send;
  }

  /** Asks; `context` comes back with the answer. */
  ask(body, context = {}) {
    const cid = newCid();
    this.#open.set(cid, { body, context });
    this.send({ ...body, cid });
  }

  /** The context of the question that this cid answers, if it was one of ours. */
  answered(cid) {
    const request = this.#open.get(cid);
    this.#open.delete(cid);
    return request?.context;
  }

  /** Asks again later. True if the cid was ours. */
  postpone(cid, retryMs) {
    const request = this.#open.get(cid);
    if (!request) return false;
    const open = this.#open;
    this.clock.setTimeout(() => {
      if (open === this.#open && open.has(cid)) this.send({ ...request.body, cid });
    }, retryMs);
    return true;
  }

  forget() {
    this.#open = new Map();
  }
}
