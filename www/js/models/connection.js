// One WebSocket that comes back. It knows when to dial, when to wait and when to give up, and
// nothing of what is said over it. Socket, clock and randomness are passed in, so that all of
// it runs in a test without a network.

/** From dialling to the server's greeting; a socket may hang for minutes otherwise. */
const GREETING_MS = 15_000;
/** How long an answer to an application ping may take. */
const PONG_MS = 10_000;
/** The same after the tab woke up or the network changed, when somebody is looking. */
const PROBE_MS = 4_000;
/** The same behind a file, on a slow line. */
const BEHIND_MS = 60_000;
/** A connection that lasted this long was a good one: the next wait is short again. */
const STEADY_MS = 10_000;

/** When to come back: within a time that doubles from here to there. */
const FIRST_CEILING_MS = 500;
const LAST_CEILING_MS = 20_000;

/**
 * `state.phase` is one of
 * - `idle`: not started, or stopped by the page;
 * - `connecting`: dialling, or waiting for the greeting;
 * - `open`: greeted;
 * - `waiting`: lost, the next attempt is at `state.until`;
 * - `closed`: for good, with `state.code` and `state.reason`.
 */
export class Connection {
  state = { phase: 'idle' };
  /** Something long may be on its way to us, and an answer behind it. */
  receiving = false;
  #socket = null;
  #timer = null;
  #attempt = 0;
  #greetedAt = 0;
  #heardAt = 0;
  #pingMs = 0;
  #pings = 0;

  /**
   * @param dial returns a new WebSocket
   * @param clock `{now, setTimeout, clearTimeout}`
   * @param on `{state(state), socketOpen(), message(object, bytes?)}`
   */
  constructor({ dial, clock, random, on }) {
    this.dial = dial;
    this.clock = clock;
    this.random = random;
    this.on = on;
  }

  start() {
    if (this.state.phase === 'connecting' || this.state.phase === 'open') return;
    this.#connect();
  }

  stop() {
    this.#drop();
    this.#become({ phase: 'idle' });
  }

  /** The server has greeted us: from now on the connection counts as open. */
  greeted(pingSeconds) {
    this.#greetedAt = this.#heardAt = this.clock.now();
    this.#pingMs = pingSeconds * 1000;
    this.#become({ phase: 'open' });
    this.#rest();
  }

  /** With bytes it is a binary frame. */
  send(object, bytes) {
    if (this.#socket?.readyState !== 1) return false;
    this.#socket.send(bytes ? framed(object, bytes) : JSON.stringify(object));
    return true;
  }

  /** Bytes that have not left yet. */
  get unsent() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  /** The network is back or somebody is looking: no more waiting, and no trust in a silent socket. */
  wake() {
    if (this.state.phase === 'waiting') this.#connect();
    else if (this.state.phase === 'open') this.#ping(PROBE_MS);
  }

  /** The server is too busy to greet us and names a time. */
  retreat(ms) {
    this.#lost(undefined, `retry_ms=${ms}`);
  }

  #connect() {
    this.#drop();
    this.#become({ phase: 'connecting' });
    const socket = this.dial();
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => this.on.socketOpen();
    socket.onmessage = event => this.#hear(event.data);
    socket.onclose = event => this.#lost(event.code, event.reason);
    this.#after(GREETING_MS, () => this.#lost());
  }

  #hear(data) {
    this.#heardAt = this.clock.now();
    let message, bytes;
    try {
      [message, bytes] = typeof data === 'string' ? [JSON.parse(data)] : unframed(data);
    } catch {
      return;
    }
    if (message?.type !== 'pong') this.on.message(message, bytes);
  }

  #lost(code, reason) {
    this.#drop();
    if (isFinal(code)) return this.#become({ phase: 'closed', code, reason });
    const now = this.clock.now();
    if (this.#greetedAt && now - this.#greetedAt >= STEADY_MS) this.#attempt = 0;
    this.#greetedAt = 0;
    const wait =
      askedDelay(reason, this.random) ?? backoffDelay(this.#attempt, this.random);
    this.#attempt += 1;
    this.#become({ phase: 'waiting', until: now + wait });
    this.#after(wait, () => this.#connect());
  }

  /** Nothing to do until the line has been silent for a ping interval. */
  #rest() {
    if (!this.#pingMs) return this.clock.clearTimeout(this.#timer);
    const silent = this.clock.now() - this.#heardAt;
    if (silent >= this.#pingMs) this.#ping(PONG_MS);
    else this.#after(this.#pingMs - silent, () => this.#rest());
  }

  /**
   * A browser cannot see the protocol's own pings, and a half-open socket looks like a quiet
   * one. Anything heard proves life; silence past the limit ends the socket without waiting
   * for a closing handshake that would not come either.
   */
  #ping(limit) {
    const asked = this.clock.now();
    this.#heardAt = Math.min(this.#heardAt, asked - 1);
    const patience = this.unsent || this.receiving ? BEHIND_MS : limit;
    this.send({ type: 'ping', n: (this.#pings += 1) });
    this.#after(patience, () => (this.#heardAt >= asked ? this.#rest() : this.#lost()));
  }

  #drop() {
    this.clock.clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #become(state) {
    this.state = state;
    this.on.state(state);
  }

  #after(ms, action) {
    this.clock.clearTimeout(this.#timer);
    this.#timer = this.clock.setTimeout(action, ms);
  }
}

/** A binary frame: the length of a JSON object in two bytes, the object, and bytes. */
export function framed(object, bytes) {
  const head = new TextEncoder().encode(JSON.stringify(object));
  const frame = new Uint8Array(2 + head.length + bytes.length);
  frame.set([head.length >> 8, head.length]);
  frame.set(head, 2);
  frame.set(bytes, 2 + head.length);
  return frame;
}

function unframed(buffer) {
  const end = 2 + new DataView(buffer).getUint16(0);
  const head = new TextDecoder().decode(buffer.slice(2, end));
  return [JSON.parse(head), new Uint8Array(buffer, end)];
}

/**
 * Full jitter: anything between nothing and a ceiling that doubles with each attempt. A crowd
 * that lost its server together comes back spread out, not in step.
 */
export function backoffDelay(attempt, random) {
  return random() * Math.min(LAST_CEILING_MS, FIRST_CEILING_MS * 2 ** attempt);
}

/** Close codes 4500–4999 say: do not come back by yourself. */
export function isFinal(code) {
  return code >= 4500 && code <= 4999;
}

/**
 * The server may name its own delay in the close reason, as a restart does with `retry_ms=N`.
 * Everybody got the same number, so up to as much again is added at random.
 */
export function askedDelay(reason, random) {
  const match = /(?:^|\W)retry_ms=(\d{1,8})\b/.exec(reason ?? '');
  return match ? Number(match[1]) * (1 + random()) : null;
}
