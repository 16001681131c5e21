// What the chat does about what the server refuses.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { begun, isRefused, recovered } from './begun.mjs';
import { entries } from './fakes.mjs';

/** Refuses the last question, or the one given. */
const refuse = (it, code, { cid } = it.asked(), more = {}) => it.says({ type: 'error', code, text: `no: ${code}`, cid, ...more });
const sentOf = ({ sockets }, type) => sockets.at(-1).sent.filter(sent => sent.type === type);
const states = ({ chat }) => chat.outbox.items.map(({ state }) => state);
const notices = ({ chat }) => chat.room.timeline.items.filter(({ kind }) => kind === 'notice').map(({ text }) => text);

test('join that fails at the server is asked again after a while', () => {
  const it = begun();
  it.chat.say('hello');
  for (let count = 1; count <= 5; count += 1) {
    assert.equal(sentOf(it, 'join').length, count);
    refuse(it, 'storage');
    it.clock.pass(999);
    assert.equal(sentOf(it, 'join').length, count);
    it.clock.pass(1);
  }
  it.joined({ seq: 0, entries: [] });
  assert.deepEqual([it.asked().type, it.asked().text], ['message', 'hello']);
});

test('room that refuses us says why, and what was written there can be tried again', () => {
  const it = begun();
  it.chat.say('one');
  it.chat.say('two');
  refuse(it, 'too_many_rooms');
  assert.deepEqual([it.chat.room.standing, states(it)], ['out', ['failed', 'failed']]);
  assert.deepEqual(notices(it), ['no: too_many_rooms']);
  assert.equal(sentOf(it, 'join').length, 1);
  it.chat.outbox.retry(it.chat.outbox.items[0].cid);
  assert.equal(sentOf(it, 'join').length, 2);
  refuse(it, 'too_many_rooms');
  assert.deepEqual([states(it), notices(it).length], [['failed', 'failed'], 1]);
  it.chat.outbox.retry(it.chat.outbox.items[0].cid);
  it.joined({ seq: 0, entries: [] });
  assert.deepEqual([it.asked().type, it.asked().text], ['message', 'one']);
});

test('older history that fails can be asked for again', () => {
  const it = begun();
  it.joined({ seq: 200, entries: entries(200, 200), more: true });
  it.chat.loadOlder();
  refuse(it, 'storage');
  it.chat.loadOlder();
  assert.equal(sentOf(it, 'history').length, 2);
  refuse(it, 'not_joined');
  it.joined({ seq: 200, entries: [], recovered: true, more: true });
  it.chat.loadOlder();
  assert.equal(sentOf(it, 'history').length, 3);
});

test('gap that fails to be filled is tried again, and shown if it is refused', () => {
  const it = begun();
  it.joined({ seq: 1, entries: entries(1, 1) });
  it.lose();
  it.joined({ seq: 301, entries: entries(202, 301) });
  refuse(it, 'storage');
  it.clock.pass(1000);
  assert.equal(sentOf(it, 'history').length, 2);
  refuse(it, 'bad_request');
  assert.equal(it.chat.room.timeline.openGap, undefined);
  assert.deepEqual(recovered(it), [100]);
});

test('room that is left is not written to', () => {
  const it = begun();
  it.joined({ seq: 0, entries: [] });
  it.chat.open('wharf');
  it.says({ type: 'joined', room: 'wharf', epoch: 'e', seq: 0, count: 1, members: [], entries: [], recovered: false, more: false, cid: it.asked().cid });
  it.chat.say('one');
  it.chat.say('two');
  refuse(it, 'busy', it.asked(), { retry_ms: 100 });
  it.chat.leave('wharf');
  it.clock.pass(100);
  assert.deepEqual(sentOf(it, 'message').map(({ text }) => text), ['one', 'two']);
  assert.deepEqual(states(it), []);
});

test('new name that was asked for on a lost line is asked for again', () => {
  const it = begun();
  it.joined({ seq: 0, entries: [] });
  it.chat.rename('Bea');
  it.lose();
  assert.deepEqual(sentOf(it, 'rename').map(({ name }) => name), ['Bea']);
  it.says({ type: 'renamed', name: 'Bea', cid: sentOf(it, 'rename')[0].cid });
  it.lose();
  assert.deepEqual([it.chat.me.name, sentOf(it, 'rename').length], ['Bea', 0]);
});

test('refusal of a name that nobody waits for any more is not shown', () => {
  const it = begun();
  it.chat.rename('Bea');
  const asked = it.asked();
  it.chat.rename(null);
  refuse(it, 'name_taken', asked);
  assert.ok(!isRefused(it));
  it.chat.rename('Bea');
  refuse(it, 'name_taken');
  assert.ok(isRefused(it));
});

test('leaving that came too often is asked again, unless the room is opened meanwhile', () => {
  const it = begun();
  it.joined({ seq: 0, entries: [] });
  it.chat.open('wharf');
  it.chat.leave('lobby');
  refuse(it, 'rate_limited', it.asked(), { retry_ms: 100 });
  it.clock.pass(100);
  assert.deepEqual(sentOf(it, 'leave').map(({ room }) => room), ['lobby', 'lobby']);
  refuse(it, 'rate_limited', it.asked(), { retry_ms: 100 });
  it.chat.open('lobby');
  it.clock.pass(100);
  assert.equal(sentOf(it, 'leave').length, 2);
});

test('of many rooms the one that is looked at is joined first, and those told to wait come back spread out', () => {
  const names = Array.from({ length: 100 }, (_, n) => `r${n}`);
  const it = begun({ rooms: [...names, 'lobby'].map(name => ({ name })) });
  const joins = sentOf(it, 'join');
  assert.deepEqual([joins.length, joins[0].room], [101, 'lobby']);
  let n = 0;
  it.chat.requests.random = () => (n += 1) / 101;
  for (const join of joins) refuse(it, 'rate_limited', join, { retry_ms: 200 });
  it.clock.pass(1000);
  assert.equal(sentOf(it, 'join').length - 101, 4);
  it.clock.pass(200 * 101);
  assert.equal(sentOf(it, 'join').length, 202);
});

test('room that was left is not joined by what was asked before', () => {
  const it = begun();
  it.joined({ seq: 0, entries: [] });
  it.chat.open('wharf');
  refuse(it, 'busy', it.asked(), { retry_ms: 100 });
  it.chat.leave('wharf');
  it.clock.pass(100);
  assert.equal(it.asked().type, 'leave');
});

test('typing or ping that comes too fast is nobody’s business', () => {
  const it = begun();
  it.joined({ seq: 0, entries: [] });
  it.chat.typing();
  refuse(it, 'rate_limited', it.asked(), { retry_ms: 100 });
  refuse(it, 'not_joined');
  assert.deepEqual(notices(it), []);
});
