// The reader's place in a log that grows at both ends.

/** Within this many pixels of the end one counts as being there. */
const END_SLACK = 48;

export class Scroll {
  /** The newest is in view, and stays so. */
  following = true;

  /** @param on `{nearTop(), moved()}` */
  constructor(scroller, list, on) {
    this.scroller = scroller;
    this.list = list;
    this.on = on;
    scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    // A growing composer or an opening keyboard takes height away from below.
    new ResizeObserver(() => this.following && this.toEnd()).observe(scroller);
  }

  get farFromEnd() {
    return this.#toGo() > this.scroller.clientHeight;
  }

  /** To the end, but not past an element that is to be in view. */
  toEnd(element) {
    const { scroller } = this;
    scroller.scrollTop = scroller.scrollHeight;
    if (element) {
      const above = element.getBoundingClientRect().top - scroller.getBoundingClientRect().top;
      scroller.scrollTop += Math.min(0, above - END_SLACK);
    }
    this.following = this.#toGo() <= END_SLACK;
  }

  /**
   * Changes the list; what was in view stays where it was, or the end stays in view, as far as
   * the element that `change` returns does too.
   */
  keeping(change) {
    const anchor = this.following ? null : this.#firstVisible();
    const before = anchor?.getBoundingClientRect().top;
    const element = change();
    if (!anchor) this.toEnd(element);
    else if (anchor.isConnected) {
      this.scroller.scrollTop += anchor.getBoundingClientRect().top - before;
    }
    this.#maybeNearTop();
  }

  #scrolled() {
    this.following = this.#toGo() <= END_SLACK;
    this.#maybeNearTop();
    this.on.moved();
  }

  #maybeNearTop() {
    if (this.scroller.scrollTop < this.scroller.clientHeight) this.on.nearTop();
  }

  #toGo() {
    return this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight;
  }

  /** The first message in view: separators may go as the list changes, messages stay. */
  #firstVisible() {
    const top = this.scroller.getBoundingClientRect().top;
    const entries = this.list.getElementsByClassName('entry');
    let low = 0;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (entries[middle].getBoundingClientRect().bottom > top) high = middle;
      else low = middle + 1;
    }
    return entries[low] ?? null;
  }
}
