// The log of the current room: rows are matched to what is shown by key, so that nothing that
// stays is touched; and the reader's place is kept whatever comes in above or below.

import { isEmoji, tokens } from '../models/text.js';
import { isAction, layout } from '../models/timeline.js';
import { dayName, fullDate, t, timeOfDay } from '../strings.js';
import { avatar, byId, colourBy, make, oncePerFrame } from './dom.js';

/** How many announcements are kept for a screen reader that is behind. */
const HEARD = 20;

export class LogView {
  #list = byId('log');
  #rows = new Map();
  #shown = null;
  /** The room whose messages were shown since it was opened. */
  #opened = null;

  /** @param act what buttons in rows do, see below */
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

  /** What was said is not to be heard any more. */
  forget() {
    byId('heard').replaceChildren();
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
    byId('scroller').ariaLabel = t('messages', { room: name });
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
    pill.classList.toggle('primary', unread);
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

/** All that a row's looks depend on; a row whose signature is the same stays as it is. */
function signature(row) {
  const { kind, item, grouped, mine } = row;
  return kind === 'entry' ? `${grouped} ${mine} ${item.entry.type} ${item.pending?.state}` : words(row) ?? kind;
}

/** What is said by a row that nobody has said. */
function words({ kind, item, time }) {
  switch (kind) {
    case 'day': return dayName(time);
    case 'notice': return item.text;
    case 'presence': return presenceText(item);
    case 'recovered': return t('recovered', { n: item.count });
    case 'gap': return item.long ? t('gap', { n: item.to - item.from + 1 }) : t('gapFilling');
    case 'unread': return t('unreadBelow');
    case 'epoch': return t('newEpoch');
  }
}

/** `act(verb, subject)` is what the row's buttons do: `retry`, `discard`, `reply`; `file` gives its element. */
function buildRow(row, act) {
  const { kind, item } = row;
  switch (kind) {
    case 'entry': return entryRow(row, act);
    case 'direct': return directRow(item.message, row.mine, act);
    case 'notice': return aside(kind, make('span', { className: 'said', dir: 'auto' }, words(row)));
    case 'presence': return aside(kind, words(row));
    default: return make('li', { className: `rule ${kind}` }, words(row));
  }
}

function entryRow({ item, grouped, mine, reader }, act) {
  const { entry, pending } = item;
  if (entry.type === 'command') return commandRow(entry, pending, act);
  if (entry.type === 'direct') return directRow({ ...entry, to: pending.to }, true, act, pending);
  if (isAction(entry)) return actionRow(item, mine, reader, act);
  const name = entry.from?.name ?? '';
  const body = make('div', { className: 'body' });
  if (!grouped) body.append(byLine(name, entry.time));
  if (entry.type === 'file') body.append(act('file', item));
  if (entry.type === 'removed') body.append(make('p', { className: 'text removed' }, t('removed')));
  if (entry.text) body.append(entryText(entry, reader));
  const side = grouped ? timeMark(entry.time, 'gutter') : avatar(name);
  const row = make('li', { className: 'entry' }, side, body);
  row.classList.toggle('grouped', grouped);
  colourBy(row, name);
  return withState(row, body, mine, pending, act);
}

/** `/me waves`: the name begins the sentence. */
function actionRow({ entry, pending }, mine, reader, act) {
  const name = entry.from.name;
  const author = make('b', { className: 'author' }, make('bdi', {}, name));
  const text = make('p', { className: 'text', dir: 'auto' }, author, ' ');
  appendText(text, entry.text.slice('/me '.length), reader);
  text.title = fullDate(entry.time);
  const body = make('div', { className: 'body' }, text);
  const star = make('span', { className: 'gutter', ariaHidden: true }, '∗');
  const row = colourBy(make('li', { className: 'entry action' }, star, body), name);
  return withState(row, body, mine, pending, act);
}

function directRow(message, mine, act, pending) {
  const { from, to, time } = message;
  const other = mine ? to : from;
  const by = byLine(t(mine ? 'directTo' : 'directFrom', { name: other.name }), time);
  if (!mine) {
    by.append(make('button', { className: 'link', onclick: () => act('reply', other) }, t('reply')));
  }
  const body = make('div', { className: 'body' }, by, entryText(message));
  const row = make('li', { className: 'entry direct' }, avatar(other.name), body);
  return withState(row, body, mine, pending, act);
}

/** A command that waits for its answer, or could not be given. */
function commandRow({ line }, pending, act) {
  const row = aside('command pending', make('span', { className: 'said' }, line));
  return pending.state === 'failed' ? withState(row, row, true, pending, act) : row;
}

function byLine(name, time) {
  const author = make('span', { className: 'author', dir: 'auto' }, name);
  return make('p', { className: 'by' }, author, timeMark(time));
}

function entryText(entry, reader) {
  const text = make('p', { className: 'text', dir: 'auto' });
  appendText(text, entry.text, reader);
  return text;
}

/** @param reader the name to be marked where somebody else speaks of it */
function appendText(element, text, reader) {
  element.classList.toggle('large', isEmoji(text));
  for (const token of tokens(text, reader)) if (!token.mark) element.append(piece(token));
}

function piece({ text, href, code, block, bold, italic, mention }) {
  let node = text;
  if (href) node = make('a', { href, target: '_blank', rel: 'noopener noreferrer' }, text);
  if (code) node = make('code', { className: block ? 'block' : '' }, text);
  if (mention) node = make('mark', {}, text);
  if (bold) node = make('strong', {}, node);
  return italic ? make('em', {}, node) : node;
}

/** One's own messages say how far they have got. */
function withState(row, body, mine, pending, act) {
  if (!mine) return row;
  const state = !pending ? 'delivered' : pending.state === 'failed' ? 'failed' : 'pending';
  row.classList.add('own', state);
  if (state === 'failed') {
    const button = verb =>
      make('button', { className: 'link', onclick: () => act(verb, pending.cid) }, t(verb));
    const reason = t('failed', { reason: problemText(pending.problem) });
    body.append(make('p', { className: 'failure', role: 'alert' }, reason, ' ', pending.problem.code === 'lost' ? '' : button('retry'), button('discard')));
  } else {
    row.append(make('span', { className: 'mark', role: 'img', ariaLabel: t(state), title: t(state) }));
  }
  return row;
}

/** The server explains in English; what happens most is said in the reader's language. */
export function problemText({ code, text }) {
  return t(`error_${code}`, {}, text);
}

function timeMark(time, className = '') {
  const dateTime = new Date(time).toISOString();
  return make('time', { className, dateTime, title: fullDate(time) }, timeOfDay(time));
}

function aside(className, content) {
  return make('li', { className: `aside ${className}` }, content);
}

function presenceText({ arrived, left, renamed }) {
  const parts = renamed.map(({ old, name }) => t('renamed', { old, name }));
  if (arrived.length) parts.push(t('arrived', { names: names(arrived), n: arrived.length }));
  if (left.length) parts.push(t('left', { names: names(left), n: left.length }));
  return parts.join(' · ');
}

function names(people) {
  const all = people.map(person => person.name);
  const [first, second] = all;
  if (all.length <= 2) return all.join(t('and'));
  return t('andOthers', { names: `${first}, ${second}`, n: all.length - 2 });
}
