// Entries that were said while we were not listening: on joining, after a lost connection, and
// above what is shown.

/** At most this many entries at once, as the server gives them. */
const PAGE = 100;

export class History {
  constructor(chat) {
    this.chat = chat;
  }

  /** Takes in the answer to a join: everything missed, or the beginning of fetching it. */
  joined(room, message) {
    const { chat } = this;
    chat.requests.answered(message.cid);
    const { epoch, seq } = room.timeline;
    const missed = room.timeline.join(message);
    room.standing = 'in';
    room.setMembers(message.members, message.count);
    chat.acknowledge(message.entries);
    if (epoch === null) {
      chat.countUnread(room, this.#fromOthers(this.#sinceRead(room, message)));
    } else {
      room.missedAfter ??= epoch === message.epoch ? seq : 0;
      this.#missed(room, missed);
      this.#catchUp(room);
    }
    if (room.name === chat.current) chat.seen();
    chat.notify('room', room.name);
    chat.notify('people', room.name);
    chat.outbox.flush();
    chat.files.next();
  }

  /** Asks for what is above the oldest entry shown. */
  older(room) {
    const { more, oldest } = room.timeline;
    if (!more || room.loadingOlder || room.standing !== 'in' || oldest === null) return;
    room.loadingOlder = true;
    this.chat.requests.ask({ type: 'history', room: room.name, before: oldest, limit: PAGE });
  }

  answered(room, { entries, more, cid }) {
    const asked = this.chat.requests.answered(cid);
    if (!asked) return;
    const { gap } = asked;
    this.chat.acknowledge(entries);
    if (gap) {
      this.#missed(room, entries.filter(entry => entry.seq <= gap.to));
      room.timeline.fill(gap, entries);
      this.#catchUp(room);
    } else {
      room.loadingOlder = false;
      room.timeline.prepend(entries, more);
    }
    this.chat.notify('room', room.name);
  }

  /** What cannot be fetched is shown to be missing. */
  giveUp(room, gap) {
    gap.long = true;
    this.#catchUp(room);
    this.chat.notify('room', room.name);
  }

  /** Fetches what is missing still; when nothing is, says once, where it happened, how much was. */
  #catchUp(room) {
    const gap = room.timeline.openGap;
    if (gap) {
      const limit = Math.min(PAGE, gap.to - gap.from + 1);
      const body = { type: 'history', room: room.name, after: gap.from - 1, limit };
      return this.chat.requests.ask(body, { gap });
    }
    const { missed: count, missedAfter } = room;
    room.missed = 0;
    room.missedAfter = null;
    if (!count) return;
    room.timeline.note('recovered', { count }, missedAfter);
    this.chat.notify('recovered', { room: room.name, count });
  }

  #missed(room, entries) {
    const missed = this.#fromOthers(entries);
    room.missed += missed.length;
    this.chat.countUnread(room, missed);
  }

  /** What came since this room was read, before the page was loaded; nothing if it never was. */
  #sinceRead({ read }, { epoch, entries }) {
    return read?.epoch === epoch ? entries.filter(entry => entry.seq > read.seq) : [];
  }

  #fromOthers(entries) {
    return entries.filter(entry => entry.from.id !== this.chat.me.id);
  }
}
