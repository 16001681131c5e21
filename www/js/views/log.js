// The log of the current room: rows are matched to what is shown by key, so that nothing that
// stays is touched; and the reader's place is kept whatever comes in above or below.

import { layout } from '../models/timeline.js';
import { t } from '../strings.js';
import { byId, make, oncePerFrame } from './dom.js';
import { buildRow, signature } from './row.js';

/** How many announcements are kept for a screen reader that is behind. */
const HEARD = 20;

export class LogView {
  #list = byId('log');
  #rows = new Map();
  #shown = null;
  /** The room whose messages were shown since it was opened. */
  #opened = null;

  /** @param act what buttons in rows do, see row.js */
  constructor(chat, act) {
    this.chat = chat;
    this.act = act;
    this.render = oncePerFrame(() => this.#render());
    this.scroll = new Scroll(byId('scroller'), this.#list, {
      nearTop: () => chat.loadOlder(),
      moved: () => this.look(),
    });
    byId('pill').onclick = () => this.toEnd();
    document.addEventListener('visibilitychange', () => this.look());
  }

  toEnd() {
    this.scroll.toEnd();
    this.look();
    byId('text').focus({ preventScroll: true });
  }

  /** Whether somebody can see the newest; what is seen is read. */
  look() {
    const isShown = this.#opened === this.chat.current && !document.hidden;
    this.chat.reading = isShown && this.scroll.following;
    this.chat.seen();
    this.#pill();
  }

  /** Said to screen readers: new messages at the end, never history. */
  announce(entry) {
    const heard = byId('heard');
    const file = entry.type === 'file' && t('fileEntry', entry);
    heard.append(make('p', {}, `${entry.from.name}: ${[file, entry.text].filter(Boolean).join(' ')}`));
    if (heard.childElementCount > HEARD) heard.firstElementChild.remove();
  }

  #render() {
    const { room, me, outbox, current } = this.chat;
    if (!room) return;
    if (this.#shown !== current) this.#turnTo(current);
    this.scroll.keeping(() => {
      this.#reconcile(layout(room.timeline.items, outbox.of(current), me));
      this.#edges(room);
      // Who comes, or comes back to the page, begins where reading stopped.
      return (this.#opened !== current || document.hidden) && this.#list.querySelector('.unread');
    });
    if (room.timeline.epoch !== null) this.#opened = current;
    this.look();
  }

  #turnTo(name) {
    this.#shown = name;
    this.#rows.clear();
    this.#list.replaceChildren();
    byId('scroller').setAttribute('aria-label', t('messages', { room: name }));
    this.scroll.toEnd();
  }

  #reconcile(rows) {
    const before = this.#rows;
    this.#rows = new Map();
    let next = this.#list.firstElementChild;
    for (const row of rows) {
      const sign = signature(row);
      let shown = before.get(row.key);
      if (shown?.sign !== sign) {
        const element = buildRow(row, this.act);
        if (shown?.element === next) next = next.nextElementSibling;
        shown?.element.remove();
        shown = { element, sign };
      }
      before.delete(row.key);
      this.#rows.set(row.key, shown);
      if (shown.element === next) next = next.nextElementSibling;
      else this.#list.insertBefore(shown.element, next);
    }
    for (const { element } of before.values()) element.remove();
  }

  /** What stands above the first message, and instead of one. */
  #edges(room) {
    const known = room.timeline.epoch !== null;
    const empty = known && !this.#list.querySelector('.entry, .notice');
    byId('empty').hidden = !empty;
    byId('empty-title').textContent = t('emptyTitle', { room: room.name });
    const top = room.timeline.more ? 'loadingOlder' : 'beginning';
    byId('top').textContent = known ? t(top, { room: room.name }) : '';
  }

  #pill() {
    const unread = this.chat.room?.unread ?? 0;
    const pill = byId('pill');
    pill.hidden = this.scroll.following || !(unread || this.scroll.farFromEnd);
    pill.classList.toggle('calm', !unread);
    pill.textContent = unread ? t('newMessages', { n: unread }) : t('toEnd');
  }
}

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
