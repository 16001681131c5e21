// For models without a page, without DOM and network: a clock turned by hand, a socket that goes
// nowhere, and what somebody says in a room.

export class FakeClock {
  #now = 1_000_000;
  #timers = new Map();
  #next = 1;

  now = () => this.#now;

  setTimeout = (action, ms) => {
    this.#timers.set(this.#next, { at: this.#now + ms, action });
    return this.#next++;
  };

  clearTimeout = timer => this.#timers.delete(timer);

  /** Time goes by, and every timer on the way goes off at its own moment. */
  pass(ms) {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.#now = Math.max(this.#now, due[1].at);
      due[1].action();
    }
    this.#now = end;
  }
}

export class FakeSocket {
  readyState = 0;
  sent = [];
  closed = false;

  send(data) {
    this.sent.push(typeof data === 'string' ? JSON.parse(data) : data);
  }

  close() {
    this.closed = true;
  }

  opens() {
    this.readyState = 1;
    this.onopen();
  }

  hears(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }

  closes(code, reason = '') {
    this.readyState = 3;
    this.onclose({ code, reason });
  }
}

export const ann = { id: 'a', name: 'Ann' };
export const entry = (seq, more = {}) => ({ type: 'message', seq, time: seq * 1000, from: ann, text: `${seq}`, cid: `c${seq}`, ...more });
export const entries = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => entry(from + index));
export const seqs = timeline => timeline.items.filter(item => item.entry).map(item => item.entry.seq);
