// Small things kept by the browser. Storage may be forbidden, full or hold anything at all; the
// page then works with what it has in memory.

export class Store {
  #memory = new Map();

  /** @param area function returning `localStorage` or `sessionStorage`; reading either may throw */
  constructor(area) {
    this.area = area;
  }

  get(key) {
    try {
      return JSON.parse(this.area().getItem(`veche.${key}`)) ?? this.#memory.get(key) ?? null;
    } catch {
      return this.#memory.get(key) ?? null;
    }
  }

  set(key, value) {
    this.#memory.set(key, value);
    try {
      this.area().setItem(`veche.${key}`, JSON.stringify(value));
    } catch {
      // Kept in memory.
    }
  }
}

/**
 * The rooms one is in, `{name, read?}`, with the place up to which each is read. Tabs share the
 * list: each changes its own part of what is kept now, and a place only ever advances.
 */
export class RoomList {
  constructor(store) {
    this.store = store;
  }

  get all() {
    const kept = this.store.get('rooms');
    return Array.isArray(kept) ? kept.filter(room => typeof room?.name === 'string') : [];
  }

  add(name) {
    const { all } = this;
    if (!all.some(room => room.name === name)) this.store.set('rooms', [...all, { name }]);
  }

  remove(name) {
    this.store.set('rooms', this.all.filter(room => room.name !== name));
  }

  /** A room that another tab has left is not listed again. */
  read(name, { epoch, seq }) {
    const { all } = this;
    const room = all.find(room => room.name === name);
    if (!room || (room.read?.epoch === epoch && room.read.seq >= seq)) return;
    room.read = { epoch, seq };
    this.store.set('rooms', all);
  }
}
