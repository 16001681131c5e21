// The log of the current room: rows are matched to what is shown by key, so that nothing that
// stays is touched; and the reader's place is kept whatever comes in above or below.

import { layout } from '../models/layout.js';
import { t } from '../strings.js';
import { byId, make, oncePerFrame } from './dom.js';
import { buildRow, signature } from './row.js';
import { Scroll } from './scroll.js';

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
