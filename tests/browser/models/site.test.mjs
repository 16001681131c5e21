// What a site does: it removes what was said, closes rooms, and names its members.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { area, begun, isRefused, recovered } from './begun.mjs';
import { ann, entries, entry } from './fakes.mjs';

const sentOf = ({ sockets }, type) => sockets.at(-1).sent.filter(sent => sent.type === type);
const states = ({ chat }) => chat.outbox.items.map(({ state }) => state);
const types = ({ chat }) => chat.room.timeline.items.map(({ kind, entry }) => entry?.type ?? kind);
const removed = (seq, more) => entry(seq, { type: 'removed', room: 'lobby', text: undefined, ...more });

describe('what is removed', () => {
  test('is removed where it is known, and is no news', () => {
    const it = begun();
    it.joined({ seq: 3, entries: entries(1, 3) });
    it.chat.reading = false;
    const { length } = it.events;
    it.says(removed(2));
    assert.deepEqual(types(it), ['message', 'removed', 'message']);
    assert.deepEqual(it.events.slice(length).map(([event]) => event), ['room', 'removed']);
    assert.equal(it.chat.room.unread, 0);
  });

  test('comes with the history where it is older than what is shown', () => {
    const it = begun();
    it.joined({ seq: 200, entries: entries(199, 200), more: true });
    it.says(removed(7));
    assert.equal(it.chat.room.timeline.oldest, 199);
    it.chat.loadOlder();
    assert.equal(it.asked().before, 199);
    it.says({ type: 'history', room: 'lobby', entries: [removed(197), entry(198)], more: true, cid: it.asked().cid });
    assert.deepEqual(types(it), ['removed', 'message', 'message', 'message']);
  });

  test('is counted among what was missed, and fills its place in a gap', () => {
    const it = begun();
    it.joined({ seq: 1, entries: entries(1, 1) });
    it.lose();
    it.joined({ seq: 103, entries: entries(4, 103) });
    it.says(removed(3));
    assert.deepEqual([it.asked().after, it.asked().limit], [1, 2]);
    it.says({ type: 'history', room: 'lobby', entries: [entry(2), removed(3)], more: true, cid: it.asked().cid });
    assert.deepEqual(types(it).slice(0, 4), ['message', 'recovered', 'message', 'removed']);
    assert.deepEqual(recovered(it), [102]);
  });

  test('has arrived, where it is our own', () => {
    const it = begun();
    it.joined({ seq: 0, entries: [] });
    it.chat.say('one');
    const { cid } = it.asked();
    it.says(removed(1, { from: { id: 'me', name: 'Me' }, cid }));
    assert.deepEqual([it.chat.outbox.items, types(it)], [[], ['removed']]);
  });
});

describe('room that is closed', () => {
  const closes = it => it.says({ type: 'left', room: 'lobby', text: 'closed' });
  function closed() {
    const it = begun();
    it.joined({ seq: 1, entries: entries(1, 1), members: [ann], count: 2 });
    return it;
  }

  test('says so, and is not joined again until somebody writes there', () => {
    const it = closed();
    closes(it);
    assert.deepEqual([it.chat.room.standing, it.chat.room.members.size, it.chat.room.count], ['out', 0, 0]);
    assert.deepEqual(it.chat.room.timeline.items.at(-1).text, 'closed');
    it.clock.pass(20_000);
    assert.equal(sentOf(it, 'join').length, 1);
    it.chat.say('hello');
    assert.deepEqual([sentOf(it, 'join').length, it.asked().after], [2, { epoch: 'e', seq: 1 }]);
    it.joined({ seq: 1, entries: [], recovered: true });
    assert.deepEqual([it.asked().type, it.asked().text], ['message', 'hello']);
  });

  test('is not joined by what was under way, which can be tried again', () => {
    const it = closed();
    it.chat.say('one');
    const { cid } = it.asked();
    it.says({ type: 'error', code: 'busy', text: 'busy', retry_ms: 100, cid });
    it.chat.say('two');
    it.chat.files.want('1', { room: 'lobby', seq: 1 }, () => {});
    const fetch = it.asked();
    closes(it);
    for (const late of [cid, fetch.cid]) it.says({ type: 'error', code: 'not_joined', text: 'join first', cid: late });
    it.clock.pass(100);
    assert.deepEqual([sentOf(it, 'join').length, states(it)], [1, ['failed', 'failed']]);
    assert.equal(it.chat.outbox.items[0].problem.text, 'closed');
    it.chat.outbox.retry(cid);
    it.joined({ seq: 1, entries: [], recovered: true });
    assert.deepEqual(sentOf(it, 'message').map(({ text }) => text), ['one', 'one']);
    assert.equal(it.asked().type, 'fetch');
  });

  test('is not the one that we leave ourselves', () => {
    const it = closed();
    it.chat.open('wharf');
    it.chat.leave('lobby');
    const { cid } = it.asked();
    it.chat.open('lobby');
    it.says({ type: 'left', room: 'lobby', cid });
    assert.deepEqual([it.chat.room.standing, types(it)], ['joining', []]);
  });
});

describe('member of a site', () => {
  const hello = ({ sockets }) => sockets.at(-1).sent[0];
  const greets = (it, more) => it.says({ type: 'welcome', id: 'm', name: 'Martha', role: 'editor', limits: {}, ping_seconds: 25, commands: [], ...more });
  const guest = { name: 'Me', session: 'guest', rooms: [{ name: 'lobby' }] };

  function member(local = guest) {
    const it = begun({}, area(local), area({ token: 'one' }));
    greets(it);
    return it;
  }

  test('comes by the token, and leaves the guest of this browser alone', () => {
    const it = member();
    assert.deepEqual(hello(it), { type: 'hello', token: 'one' });
    assert.equal(it.chat.me.name, 'Martha');
    it.sockets[0].closes(1006);
    it.clock.pass(1);
    it.sockets[1].opens();
    assert.deepEqual(hello(it), { type: 'hello', name: 'Martha', token: 'one' });
    assert.deepEqual([it.local.get('name'), it.local.get('session')], ['Me', 'guest']);
  });

  test('that a guest becomes has the connection made anew, with the name that was kept', () => {
    const it = begun(guest);
    it.joined({ seq: 1, entries: entries(1, 1) });
    it.chat.enterBy('two');
    assert.ok(it.sockets[0].closed);
    assert.equal(it.chat.room.standing, 'out');
    it.sockets[1].opens();
    assert.deepEqual(hello(it), { type: 'hello', name: 'Me', token: 'two' });
    greets(it);
    assert.deepEqual([it.session.get('token'), it.session.get('name'), it.local.get('name')], ['two', 'Martha', 'Me']);
    assert.deepEqual(it.asked().after, { epoch: 'e', seq: 1 });
  });

  test('whose token has ended comes back by a new one alone', () => {
    const it = member();
    it.sockets[0].closes(4500, 'the token has expired');
    it.clock.pass(600_000);
    it.chat.connection.wake();
    it.chat.sessionChanged();
    assert.equal(it.sockets.length, 1);
    it.chat.enterBy('two');
    it.sockets[1].opens();
    assert.equal(hello(it).token, 'two');
  });

  test('without a name in the token is asked for one', () => {
    const it = begun({}, area({ rooms: [] }), area({ token: 'one' }));
    it.sockets[0].closes(1006);
    it.clock.pass(1);
    it.session.set('name', null);
    it.sockets[1].opens();
    it.says({ type: 'error', code: 'bad_request', text: 'The field name is missing.' });
    assert.ok(isRefused(it));
    it.chat.enter('Martha');
    it.sockets[2].opens();
    assert.deepEqual(hello(it), { type: 'hello', name: 'Martha', token: 'one' });
  });

  test('is a guest at a server that knows no tokens', () => {
    const it = begun({}, area(), area({ token: 'one' }));
    it.greets('s');
    it.lose();
    assert.deepEqual([hello(it).session, 'token' in hello(it)], ['s', false]);
  });
});
