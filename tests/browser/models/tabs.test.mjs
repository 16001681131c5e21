// Several tabs of a browser: one session, one name, one list of rooms.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { begun, isRefused, looks } from './begun.mjs';
import { entries, entry } from './fakes.mjs';

/** A second tab of the same browser. */
const besides = tab => begun({}, tab.local);
const hellos = ({ sockets }) => sockets.at(-1).sent.filter(({ type }) => type === 'hello');
const taken = { type: 'error', code: 'name_taken', text: 'taken', suggestion: 'Me-2' };

/** Both have lost a server that has forgotten all sessions, and said hello to it. */
function restarted() {
  const one = begun();
  const other = besides(one);
  for (const { sockets, clock } of [one, other]) {
    sockets[0].closes(1006);
    clock.pass(1);
    sockets[1].opens();
  }
  return { one, other };
}

test('name taken by another tab’s new session is ours by that session', () => {
  const { one, other } = restarted();
  one.greets('new');
  other.says(taken);
  assert.deepEqual(hellos(other).map(({ session }) => session), ['s', 'new']);
  other.says(taken);
  assert.equal(hellos(other).length, 2);
  assert.ok(isRefused(other));
});

test('new session that another tab gets later is tried too', () => {
  const { one, other } = restarted();
  other.says(taken);
  assert.ok(isRefused(other));
  one.greets('new');
  other.chat.sessionChanged();
  other.sockets[2].opens();
  assert.deepEqual(hellos(other), [{ type: 'hello', name: 'Me', session: 'new' }]);
});

test('tabs keep each other’s rooms and what was read in them', () => {
  const one = begun();
  const other = besides(one);
  const kept = () => one.local.get('rooms').map(({ name, read }) => [name, read?.seq]);
  for (const tab of [one, other]) tab.joined({ seq: 1, entries: entries(1, 1) });
  one.chat.open('wharf');
  other.chat.open('mill');
  assert.deepEqual(kept(), [['lobby', 1], ['wharf', undefined], ['mill', undefined]]);
  one.chat.open('lobby');
  looks(one);
  one.says({ ...entry(2), room: 'lobby' });
  other.chat.leave('mill');
  assert.deepEqual(kept(), [['lobby', 2], ['wharf', undefined]]);
});

test('says hello by the name that another tab has taken meanwhile', () => {
  const one = begun();
  const other = besides(one);
  other.sockets[0].closes(1006);
  one.says({ type: 'renamed', name: 'Bea' });
  other.clock.pass(1);
  other.sockets[1].opens();
  assert.equal(hellos(other)[0].name, 'Bea');
});
