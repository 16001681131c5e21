// One row of the log.

import { isAction } from '../models/timeline.js';
import { isEmoji, tokens } from '../models/markup.js';
import { dayName, fullDate, t, timeOfDay } from '../strings.js';
import { avatar, colourBy, make } from './dom.js';

/** All that a row's looks depend on; a row whose signature is the same stays as it is. */
export function signature({ kind, item, grouped, mine, time }) {
  switch (kind) {
    case 'day': return dayName(time);
    case 'entry': return `${grouped} ${mine} ${item.pending?.state ?? ''}`;
    case 'presence': return presenceText(item);
    case 'gap': return gapText(item);
    default: return kind;
  }
}

/** `act(verb, subject)` is what the row's buttons do: `retry`, `discard`, `reply`; `file` gives its element. */
export function buildRow(row, act) {
  const { kind, item } = row;
  switch (kind) {
    case 'day': return rule('day', dayName(row.time));
    case 'entry': return entryRow(row, act);
    case 'direct': return directRow(item.message, row.mine, act);
    case 'notice': return aside('notice', make('span', { className: 'said', dir: 'auto' }, item.text));
    case 'presence': return aside('presence', presenceText(item));
    case 'recovered': return rule('recovered', t('recovered', { n: item.count }));
    case 'gap': return rule('gap', gapText(item));
    case 'unread': return rule('unread', t('unreadBelow'));
    case 'epoch': return rule('epoch', t('newEpoch'));
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
  const star = make('span', { className: 'gutter', 'aria-hidden': 'true' }, '∗');
  const row = colourBy(make('li', { className: 'entry action' }, star, body), name);
  return withState(row, body, mine, pending, act);
}

function directRow(message, mine, act, pending) {
  const { from, to, text, time } = message;
  const other = mine ? to : from;
  const title = t(mine ? 'directTo' : 'directFrom', { name: other.name });
  const by = make('p', { className: 'by' }, make('span', { className: 'author' }, title), timeMark(time));
  if (!mine) {
    const reply = make('button', { className: 'link', type: 'button', onclick: () => act('reply', other) });
    reply.textContent = t('reply');
    by.append(reply);
  }
  const words = make('p', { className: 'text', dir: 'auto' });
  appendText(words, text);
  const body = make('div', { className: 'body' }, by, words);
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
export function appendText(element, text, reader) {
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
      make('button', { type: 'button', className: 'link', onclick: () => act(verb, pending.cid) }, t(verb));
    const reason = t('failed', { reason: problemText(pending.problem) });
    body.append(make('p', { className: 'failure', role: 'alert' }, reason, ' ', ...(pending.problem.code === 'lost' ? [] : [button('retry')]), button('discard')));
  } else {
    row.append(make('span', { className: 'mark', role: 'img', 'aria-label': t(state), title: t(state) }));
  }
  return row;
}

/** The server explains in English; what happens most is said in the reader's language. */
export function problemText({ code, text }) {
  const own = t(`error_${code}`);
  return own === `error_${code}` ? text : own;
}

function timeMark(time, className = '') {
  const dateTime = new Date(time).toISOString();
  return make('time', { className, dateTime, title: fullDate(time) }, timeOfDay(time));
}

function aside(className, content) {
  return make('li', { className: `aside ${className}` }, content);
}

function rule(className, text) {
  return make('li', { className: `rule ${className}` }, text);
}

function gapText({ long, from, to }) {
  return long ? t('gap', { n: to - from + 1 }) : t('gapFilling');
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
