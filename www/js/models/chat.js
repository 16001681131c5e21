// The conversation with the server: who we are, which rooms we are in, what is under way.
// Views call its methods and are told of changes through `notify(event, detail)`:
//
//   connection          the connection's state has changed
//   rooms               the list of rooms, the current one or an unread count has changed
//   room (name)         a room's log has changed
//   people (name)       a room's members or typists have changed
//   me                  our own name has changed
//   name-refused {name, suggestion?, text}
//   heard {room, entry} somebody else said something just now
//   removed             something that was said is not to be known any more
//   recovered {room, count}

import { Connection } from './connection.js';
import { History } from './history.js';
import { Fetches, Outbox, Requests } from './outbox.js';
import { DEFAULT_ROOM, Room } from './room.js';
import { RoomList } from './store.js';
import { mentions } from './text.js';

const TYPING_EVERY_MS = 3000;
/** How many private messages are known again, as at the server. */
const MAX_DIRECTS = 64;
/** So many items are kept of a room that is open and not read. */
const KEPT_UNREAD = 6000;

/** `/msg` with a name, in quotes where it has spaces, and what is for its owner alone. */
const PRIVATE = /^\/msg (?:"(.+?)" |(\S+) )\s*(\S.*)$/s;

export class Chat {
  me = { id: null, name: null };
  /** By name, in the order in which they were joined. */
  rooms = new Map();
  current = null;
  limits = {};
  commands = [];
  /** Set by the page: somebody is looking at the end of the current room. */
  reading = false;
  /** The name that was asked for and is not agreed to yet. */
  #chosen = null;
  #renaming = null;
  /** The session of the last hello, or null. */
  #helloSession = null;
  #typedAt = 0;
  #directs = new Set();

  constructor({ dial, clock, random, local, session, notify }) {
    this.clock = clock;
    this.local = local;
    this.session = session;
    this.notify = notify;
    this.me.name = this.#kept.get('name') ?? '';
    this.outbox = new Outbox({
      store: { read: () => session.get('outbox'), write: items => session.set('outbox', items) },
      clock,
      send: (item, bytes) => this.#maySend(item) && this.connection.send(item.body, bytes),
      changed: room => notify('room', room),
    });
    this.connection = new Connection({
      dial,
      clock,
      random,
      on: {
        state: state => this.#connectionState(state),
        socketOpen: () => this.#hello(),
        message: (message, bytes) => (bytes ? this.files.answered(message, bytes) : this.#receive(message)),
      },
    });
    this.requests = new Requests({ clock, random, send: object => this.connection.send(object) });
    this.history = new History(this);
    this.files = new Fetches(this);
    this.list = new RoomList(local);
    for (const { name, read } of this.list.all) {
      this.rooms.set(name, Object.assign(new Room(name), { read }));
    }
  }

  get room() {
    return this.rooms.get(this.current);
  }

  /** By which a site names us in this tab, if it does. */
  get token() {
    return this.session.get('token');
  }

  /** A guest's name is the browser's. */
  get #kept() {
    return this.token ? this.session : this.local;
  }

  /** Takes a token, and comes as whom it names. */
  enterBy(token) {
    this.session.set('token', token);
    this.connection.stop();
    this.connection.start();
  }

  /** Takes a name and, where there is no connection, starts one. */
  enter(name) {
    this.#chosen = name;
    this.connection.start();
  }

  /** Another tab has a new session: a name that was taken may be its. */
  sessionChanged() {
    const wasRefused = this.connection.state.phase === 'idle' && this.#helloSession;
    if (wasRefused && !this.#chosen) this.connection.start();
  }

  /** Asks for another name until there is an answer; with none, nobody waits for it any more. */
  rename(name) {
    this.#renaming = name;
    if (name) this.requests.ask({ type: 'rename', name });
  }

  /** Shows a room, joining it first where need be. */
  open(name) {
    if (name !== this.current && !this.room?.unread) this.room?.timeline.markUnread();
    this.current = name;
    if (!this.rooms.has(name)) {
      this.requests.forgetRoom(name);
      this.rooms.set(name, new Room(name));
    }
    this.list.add(name);
    this.#join(this.room);
    // What is unread is still to be shown.
    this.reading = false;
    this.notify('rooms');
    this.notify('room', name);
    this.notify('people', name);
  }

  /** Leaves a room, with what still waits to be sent there. */
  leave(name) {
    this.outbox.discard(...this.outbox.of(name).map(({ cid }) => cid));
    this.rooms.delete(name);
    this.requests.forgetRoom(name);
    if (this.current === name) this.current = [...this.rooms.keys()][0] ?? DEFAULT_ROOM;
    this.requests.ask({ type: 'leave', room: name });
    this.list.remove(name);
    this.notify('rooms');
  }

  /**
   * Text as it was typed. A command goes to the server as one; `/me` is a message like any
   * other, and `//` stands for a slash at the beginning of one.
   */
  say(text) {
    const room = this.current;
    this.room.timeline.markUnread();
    const [, quoted, word, words] = PRIVATE.exec(text) ?? [];
    const to = this.#present(quoted ?? word);
    if (to) {
      this.outbox.add(room, { type: 'direct', to: to.id, text: words }, { to });
    } else if (text.startsWith('/') && !text.startsWith('//') && !text.startsWith('/me ')) {
      this.outbox.add(room, { type: 'command', room, line: text });
    } else {
      this.outbox.add(room, { type: 'message', room, text: text.replace(/^\/\//, '/') });
    }
    this.#typedAt = 0;
  }

  /** A file `{name, media, bytes}` for everybody in the room, with a caption or none. */
  sendFile({ name, media, bytes }, text) {
    const room = this.current;
    const body = { type: 'file', room, name, media, size: bytes.length };
    this.outbox.add(room, { ...body, ...(text && { text: text.replace(/^\/\//, '/') }) }, {}, bytes);
  }

  /** Who is here by this name. */
  #present(name) {
    const people = [...this.room.members.values()];
    return people.find(person => person.name.toLowerCase() === name?.toLowerCase());
  }

  typing() {
    const now = this.clock.now();
    if (now - this.#typedAt < TYPING_EVERY_MS || this.room.standing !== 'in') return;
    this.#typedAt = now;
    this.connection.send({ type: 'typing', room: this.current });
  }

  loadOlder() {
    this.history.older(this.room);
  }

  /** Everything in the current room has been seen. */
  seen() {
    const room = this.room;
    if (!room || !this.reading || room.timeline.epoch === null) return;
    const { epoch, seq } = room.timeline;
    if (room.unread) {
      room.unread = room.mentions = 0;
      this.notify('rooms');
    }
    if (room.read?.seq !== seq || room.read?.epoch !== epoch) {
      room.read = { epoch, seq };
      this.list.read(room.name, room.read);
    }
  }

  #maySend(item) {
    if (this.connection.state.phase !== 'open') return false;
    const room = this.rooms.get(item.room);
    if (!room) this.rooms.set(item.room, new Room(item.room));
    this.#join(this.rooms.get(item.room));
    return this.rooms.get(item.room).standing === 'in';
  }

  #connectionState(state) {
    if (state.phase !== 'open') {
      for (const room of this.rooms.values()) {
        room.standing = 'out';
        room.loadingOlder = false;
      }
      this.requests.forget();
      this.outbox.disconnected();
    }
    this.notify('connection', state);
  }

  /** Name and session are the browser's: another tab may have changed them. */
  #hello() {
    const { token } = this;
    const session = (this.#helloSession = this.local.get('session'));
    const name = (this.me.name = this.#chosen ?? this.#kept.get('name') ?? this.me.name);
    const known = token ? { token } : session && { session };
    this.connection.send({ type: 'hello', ...(name && { name }), ...known });
  }

  #join(room) {
    if (room?.standing !== 'out' || this.connection.state.phase !== 'open') return;
    const { epoch, seq } = room.timeline;
    room.standing = 'joining';
    const after = epoch !== null && { after: { epoch, seq } };
    this.requests.ask({ type: 'join', room: room.name, ...after });
  }

  #receive(message) {
    const room = this.rooms.get(message.room);
    switch (message.type) {
      case 'welcome': return this.#welcome(message);
      case 'joined': return room && this.history.joined(room, message);
      case 'message':
      case 'file': return this.#entry(room, message);
      case 'removed': return this.#removed(room, message);
      case 'history': return room && this.history.answered(room, message);
      case 'presence': return room && this.#presence(room, message);
      case 'typing': return room && this.#typing(room, message.from);
      case 'direct': return this.#direct(message);
      case 'notice': return this.#notice(message);
      case 'renamed': return this.#renamed(message);
      case 'left': return room && !message.cid ? this.#refuseRoom(room, message) : this.requests.answered(message.cid);
      case 'error': return this.#error(message);
    }
  }

  #welcome({ session, id, name, limits, ping_seconds, commands }) {
    this.#chosen = null;
    // A server that knows no tokens takes us for a guest.
    if (session) {
      this.session.set('token', null);
      this.local.set('session', session);
    }
    this.limits = limits ?? {};
    this.commands = commands ?? [];
    this.#call(name, id);
    this.connection.greeted(ping_seconds ?? 0);
    // More rooms than the server allows may be listed: the one that is looked at comes first.
    for (const room of [this.room, ...this.rooms.values()]) this.#join(room);
    this.rename(this.#renaming);
    this.outbox.flush();
  }

  #call(name, id = this.me.id) {
    this.me = { id, name };
    this.#kept.set('name', name);
    this.notify('me');
  }

  #entry(room, entry) {
    this.acknowledge([entry]);
    if (!room || !room.timeline.add([entry])) return;
    room.stopsTyping(entry.from.id);
    if (entry.from.id !== this.me.id) {
      this.countUnread(room, [entry]);
      this.notify('heard', { room: room.name, entry });
    }
    if (room.name === this.current) this.seen();
    this.#grown(room);
    this.notify('people', room.name);
  }

  #removed(room, entry) {
    this.acknowledge([entry]);
    // What stands above all that is shown comes with the history there.
    if (!room || entry.seq < room.timeline.oldest) return;
    room.timeline.add([entry]);
    this.notify('room', room.name);
    this.notify('removed');
  }

  /** There is more at the end of a room; the oldest goes, unless somebody may be reading it. */
  #grown(room) {
    const isRead = this.reading || room.name !== this.current;
    room.timeline.trim(isRead ? undefined : KEPT_UNREAD);
    this.notify('room', room.name);
  }

  /** Entries of others that nobody has seen; above the first of them is a line. */
  countUnread(room, entries) {
    if (!entries.length || (room.name === this.current && this.reading)) return;
    const { read, timeline } = room;
    if (!room.unread) timeline.markUnread(read?.epoch === timeline.epoch ? read.seq : 0);
    room.unread += entries.length;
    room.mentions += entries.filter(entry => this.concerns(entry)).length;
    this.notify('rooms');
  }

  /** Whether it is said to us alone, or of us. */
  concerns({ type, text }) {
    return type === 'direct' || mentions(text ?? '', this.me.name);
  }

  /** Our own cid in what the server sends is the only acknowledgement there is. */
  acknowledge(entries) {
    for (const { from, cid } of entries) {
      if (cid && from.id === this.me.id) this.outbox.delivered(cid);
    }
  }

  #presence(room, change) {
    const news = this.#ofOthers(room, change);
    room.presence(change);
    room.timeline.presence(news, this.clock.now());
    for (const { id, name } of change.renamed ?? []) if (id === this.me.id) this.#call(name);
    this.notify('room', room.name);
    this.notify('people', room.name);
  }

  /** Our own coming and going is no news to us, nor is that of people as we know them to be. */
  #ofOthers(room, { arrived = [], left = [], renamed = [] }) {
    const isOther = person => person.id !== this.me.id;
    const isHere = person => room.members.has(person.id);
    const known = renamed.filter(({ id, name }) => {
      const old = room.members.get(id)?.name;
      return old && old !== name;
    });
    return {
      arrived: arrived.filter(person => isOther(person) && !isHere(person)),
      left: left.filter(person => isOther(person) && isHere(person)),
      renamed: known.map(({ id, name }) => ({ id, old: room.members.get(id).name, name })),
    };
  }

  #typing(room, from) {
    if (from.id === this.me.id) return;
    room.startsTyping(from, this.clock.now());
    this.notify('people', room.name);
  }

  /** Directs belong to no room; they are shown where their reader is. */
  #direct(message) {
    const { from, cid } = message;
    const mine = from.id === this.me.id;
    const item = mine && this.outbox.delivered(cid);
    const seen = `${from.id} ${cid}`;
    if (this.#directs.has(seen)) return;
    this.#directs.add(seen);
    if (this.#directs.size > MAX_DIRECTS) this.#directs.delete([...this.#directs][0]);
    const room = this.rooms.get(item?.room) ?? this.room;
    if (!mine) this.countUnread(room, [message]);
    room.timeline.note('direct', { message, time: message.time });
    if (!mine) this.notify('heard', { room: room.name, entry: message });
    this.#grown(room);
  }

  #notice({ text, cid }) {
    const item = this.outbox.delivered(cid);
    const room = this.rooms.get(item?.room) ?? this.room;
    room.timeline.note('notice', { text, time: this.clock.now() });
    this.#grown(room);
  }

  #renamed({ name, cid }) {
    this.requests.answered(cid);
    this.outbox.delivered(cid);
    if (name === this.#renaming) this.#renaming = null;
    this.#call(name);
  }

  #error(error) {
    const { code, text, cid, retry_ms, suggestion } = error;
    if (this.connection.state.phase === 'connecting') {
      if (retry_ms !== undefined) return this.connection.retreat(retry_ms);
      // After a restart of the server it may be our own, by the session of another tab.
      const isStale = this.local.get('session') !== this.#helloSession;
      if (code === 'name_taken' && isStale) return this.#hello();
      this.connection.stop();
      return this.notify('name-refused', { name: this.me.name, suggestion, text });
    }
    if (this.requests.find(cid)) return this.#refused(error);
    const item = this.outbox.find(cid);
    // What remains answers `typing` or `ping`, which are nobody's business.
    if (!item || item.state === 'failed') return;
    // What a day allows is not waited for.
    if (retry_ms !== undefined && code !== 'quota') return this.outbox.postpone(cid, retry_ms);
    if (code === 'not_joined') return this.#sendAgain(item);
    if (item.body.type !== 'command') return this.outbox.fail({ code, text }, cid);
    this.#notice(error);
  }

  /** A question was refused: it is asked again, or whoever waits for the answer is told. */
  #refused({ code, text, cid, retry_ms, suggestion }) {
    const { body } = this.requests.find(cid);
    const isOlder = body.before !== undefined;
    if (retry_ms !== undefined || (code === 'storage' && !isOlder)) {
      return this.requests.postpone(cid, retry_ms);
    }
    const missing = body.type === 'fetch' && code !== 'not_joined';
    if (missing) return this.files.answered({ cid }, null, { code, text });
    const { gap } = this.requests.answered(cid);
    const room = this.rooms.get(body.room);
    switch (body.type) {
      case 'rename':
        if (body.name !== this.#renaming) return;
        this.#renaming = null;
        return this.notify('name-refused', { name: body.name, suggestion, text });
      case 'join': return this.#refuseRoom(room, { code, text });
      case 'fetch': return room && this.#joinAgain(room);
      case 'history':
        if (isOlder) room.loadingOlder = false;
        if (code === 'not_joined') this.#joinAgain(room);
        else if (gap) this.history.giveUp(room, gap);
    }
  }

  /** We cannot be in a room: says why there, and what was to be sent there waits for a person. */
  #refuseRoom(room, problem) {
    const { text } = problem;
    this.requests.forgetRoom(room.name);
    this.outbox.fail(problem, ...this.outbox.of(room.name).map(({ cid }) => cid));
    room.standing = 'out';
    room.loadingOlder = false;
    room.setMembers([], 0);
    if (room.timeline.items.at(-1)?.text !== text) {
      room.timeline.note('notice', { text, time: this.clock.now() });
    }
    this.notify('room', room.name);
    this.notify('people', room.name);
  }

  #sendAgain({ cid, room }) {
    this.#joinAgain(this.rooms.get(room));
    this.outbox.retry(cid);
  }

  /** The server does not know that we are in the room. */
  #joinAgain(room) {
    if (room.standing === 'in') room.standing = 'out';
    this.#join(room);
  }
}
