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
