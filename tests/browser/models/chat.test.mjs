// The chat: what it asks of the server, and makes of what it hears.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { framed } from '../../../www/js/models/connection.js';
import { privately } from '../../../www/js/models/text.js';
import { begun, looks, recovered } from './begun.mjs';
import { ann, entries, entry, seqs } from './fakes.mjs';

test('says hello with its session, then joins where it was', () => {
  const { sockets, joined, lose } = begun({ session: 'old' });
  assert.deepEqual(sockets[0].sent[0], { type: 'hello', name: 'Me', session: 'old' });
  joined({ seq: 2, entries: entries(1, 2) });
  lose();
  const [hello, join] = sockets[1].sent;
  assert.equal(hello.session, 's');
  assert.deepEqual(join.after, { epoch: 'e', seq: 2 });
});

test('filling a gap goes on after another loss, and is reported once', () => {
  const it = begun();
  it.joined({ seq: 1, entries: entries(1, 1) });
  it.lose();
  it.joined({ seq: 301, entries: entries(202, 301) });
  assert.deepEqual([it.asked().after, it.asked().limit], [1, 100]);
  it.says({ type: 'history', room: 'lobby', entries: entries(2, 101), more: true, cid: it.asked().cid });
  it.lose();
  it.joined({ seq: 301, entries: [], recovered: true });
  assert.deepEqual([it.asked().after, it.asked().limit], [101, 100]);
  it.says({ type: 'history', room: 'lobby', entries: entries(102, 201), more: true, cid: it.asked().cid });
  assert.deepEqual(seqs(it.chat.room.timeline), entries(1, 301).map(({ seq }) => seq));
  assert.deepEqual(recovered(it), [300]);
});

test('one’s own messages are not among the recovered', () => {
  const it = begun();
  it.joined({ seq: 1, entries: entries(1, 1) });
  it.chat.say('mine');
  const { cid } = it.asked();
  it.lose();
  it.joined({ seq: 3, recovered: true, entries: [entry(2), entry(3, { from: { id: 'me', name: 'Me' }, cid })] });
  assert.deepEqual(recovered(it), [1]);
  assert.deepEqual(it.chat.outbox.items, []);
});

/** In the room, with two wishes: `got` is what came of them, `hears` an answer with bytes. */
function wishing() {
  const it = begun();
  it.joined({ seq: 2, entries: entries(1, 2) });
  const got = [];
  const want = seq => it.chat.files.want(`${seq}`, { room: 'lobby', seq, size: 2 }, (bytes, problem) => got.push([seq, bytes?.length, problem?.code]));
  const hears = more => it.sockets.at(-1).onmessage({ data: framed({ type: 'file', size: 2, cid: it.asked().cid, ...more }, new Uint8Array(2)).buffer });
  want(1);
  want(2);
  return { ...it, got, hears };
}

test('files are fetched one at a time, and gone ones told', () => {
  const { asked, sockets, got, hears, says } = wishing();
  assert.deepEqual([asked().type, asked().seq], ['fetch', 1]);
  hears();
  assert.deepEqual(got, [[1, 2, undefined]]);
  assert.equal(asked().seq, 2);
  says({ type: 'error', code: 'gone', text: 'gone', cid: asked().cid });
  assert.deepEqual(got[1], [2, undefined, 'gone']);
  assert.equal(sockets[0].sent.filter(({ type }) => type === 'fetch').length, 2);
});

test('file is asked for again after a loss, and whoever went is not waited for', () => {
  const { chat, asked, joined, lose, got, hears } = wishing();
  lose();
  assert.equal(asked().type, 'join');
  joined({ seq: 2, entries: [], recovered: true });
  assert.deepEqual([asked().type, asked().seq], ['fetch', 1]);
  chat.files.drop('1');
  hears();
  assert.equal(asked().seq, 2);
  hears({ size: 3 });
  assert.deepEqual(got, [[2, undefined, 'gone']], 'another file under this number is not the one');
});

test('busy server is asked for a file again, and nobody else meanwhile', () => {
  const { clock, asked, says } = wishing();
  says({ type: 'error', code: 'busy', text: 'busy', retry_ms: 500, cid: asked().cid });
  clock.pass(500);
  assert.deepEqual([asked().type, asked().seq], ['fetch', 1]);
});

test('file goes with its bytes and caption; what a day allows is not waited for', () => {
  const it = begun();
  it.joined({ seq: 0, entries: [] });
  it.chat.sendFile({ name: 'a', media: 'image/png', bytes: Uint8Array.of(7) }, '//caption');
  const frame = it.asked();
  const head = JSON.parse(new TextDecoder().decode(frame.slice(2, -1)));
  assert.deepEqual([head.type, head.room, head.name, head.text, frame.at(-1)], ['file', 'lobby', 'a', '/caption', 7]);
  it.says({ type: 'error', code: 'quota', text: 'quota', retry_ms: 5000, cid: head.cid });
  assert.equal(it.chat.outbox.find(head.cid).state, 'failed');
  it.chat.outbox.retry(head.cid);
  it.says({ type: 'file', room: 'lobby', seq: 1, time: 1, from: it.chat.me, name: 'a', media: 'image/png', size: 1, cid: head.cid });
  assert.deepEqual(it.chat.outbox.items, []);
});

test('join that came too often is asked again', () => {
  const { clock, sockets, says, asked } = begun();
  const { cid } = asked();
  says({ type: 'error', code: 'rate_limited', text: 'slow down', cid, retry_ms: 300 });
  const before = sockets[0].sent.length;
  clock.pass(300);
  assert.equal(sockets[0].sent.length, before + 1);
  assert.deepEqual([asked().type, asked().cid], ['join', cid]);
});

test('message to a room that the server has us not in joins it first', () => {
  const { chat, says, asked, joined } = begun();
  joined({ seq: 0, entries: [] });
  chat.say('hello');
  const { cid } = asked();
  says({ type: 'error', code: 'not_joined', text: 'join first', cid });
  assert.equal(asked().type, 'join');
  joined({ seq: 0, entries: [] });
  assert.deepEqual([asked().type, asked().cid], ['message', cid]);
});

test('what was read before a reload is not unread after it', () => {
  const kept = { rooms: [{ name: 'lobby' }, { name: 'wharf', read: { epoch: 'e', seq: 3 } }] };
  const { chat, says } = begun(kept);
  says({ type: 'joined', room: 'wharf', epoch: 'e', seq: 5, count: 1, members: [], recovered: false, more: false, entries: entries(1, 5) });
  assert.equal(chat.rooms.get('wharf').unread, 2);
});

const lines = ({ chat }) => chat.room.timeline.items.map(({ kind, at }) => (kind === 'unread' ? 'line' : at));
const elsewhere = (it, said) => it.says({ type: 'joined', room: 'wharf', epoch: 'e', seq: said.length, count: 1, members: [], recovered: false, more: false, entries: said });

test('line is where reading stopped, until one leaves the room', () => {
  const it = begun();
  it.joined({ seq: 2, entries: entries(1, 2) });
  assert.deepEqual(lines(it), [1, 2]);
  it.chat.reading = false;
  for (const seq of [3, 4]) it.says({ ...entry(seq), room: 'lobby' });
  assert.deepEqual(lines(it), [1, 2, 'line', 3, 4]);
  looks(it);
  it.says({ ...entry(5), room: 'lobby' });
  assert.deepEqual(lines(it), [1, 2, 'line', 3, 4, 5]);
  it.chat.reading = false;
  it.says({ ...entry(6), room: 'lobby' });
  assert.deepEqual(lines(it), [1, 2, 3, 4, 5, 'line', 6]);
  it.chat.open('wharf');
  it.chat.open('lobby');
  assert.deepEqual(lines(it), [1, 2, 3, 4, 5, 'line', 6], 'what is unread yet keeps it');
  looks(it);
  it.chat.open('wharf');
  it.chat.open('lobby');
  assert.deepEqual(lines(it), [1, 2, 3, 4, 5, 6]);
});

test('line goes when one says something', () => {
  const it = begun();
  it.joined({ seq: 1, entries: entries(1, 1) });
  it.chat.reading = false;
  it.says({ ...entry(2), room: 'lobby' });
  it.chat.say('hello');
  assert.deepEqual(lines(it), [1, 2]);
});

test('line after a reload goes to its place as history comes in above', () => {
  const it = begun({ rooms: [{ name: 'lobby', read: { epoch: 'e', seq: 3 } }] });
  it.chat.reading = false;
  it.joined({ seq: 7, entries: entries(6, 7), more: true });
  assert.deepEqual(lines(it), ['line', 6, 7]);
  it.chat.loadOlder();
  it.says({ type: 'history', room: 'lobby', entries: entries(2, 5), more: true, cid: it.asked().cid });
  assert.deepEqual(lines(it), [2, 3, 'line', 4, 5, 6, 7]);
});

test('private message that nobody has seen is below the line', () => {
  const it = begun();
  it.joined({ seq: 1, entries: entries(1, 1) });
  it.chat.reading = false;
  it.says({ type: 'direct', time: 1, from: ann, to: { id: 'me', name: 'Me' }, text: 'hm', cid: 'd' });
  assert.deepEqual(it.chat.room.timeline.items.map(({ kind }) => kind), ['entry', 'unread', 'direct']);
});

test('messages of others that name us, or are for us alone, are counted', () => {
  const it = begun({ rooms: [{ name: 'lobby' }, { name: 'wharf', read: { epoch: 'e', seq: 1 } }] });
  it.joined({ seq: 0, entries: [] });
  const mine = { from: { id: 'me', name: 'Me' } };
  elsewhere(it, [entry(1, { text: 'me' }), entry(2, { text: 'Me?' }), entry(3, { text: 'men' }), entry(4, { text: 'me', ...mine })]);
  const wharf = it.chat.rooms.get('wharf');
  assert.deepEqual([wharf.unread, wharf.mentions], [2, 1]);
  it.says({ ...entry(5, { text: 'hey @ME' }), room: 'wharf' });
  it.says({ ...entry(6, { type: 'file', text: undefined, name: 'me.png' }), room: 'wharf' });
  assert.deepEqual([wharf.unread, wharf.mentions], [4, 2]);
  it.chat.open('wharf');
  assert.deepEqual([wharf.unread, wharf.mentions], [4, 2], 'until it is shown');
  looks(it);
  assert.deepEqual([wharf.unread, wharf.mentions], [0, 0]);
  it.chat.reading = false;
  it.says({ type: 'direct', time: 1, from: ann, to: { id: 'me', name: 'Me' }, text: 'hm', cid: 'd' });
  assert.deepEqual([wharf.unread, wharf.mentions], [1, 1]);
});

test('private message goes to a name, in quotes where it has spaces', () => {
  const { chat, asked, joined } = begun();
  joined({ seq: 0, entries: [], members: [{ id: 'a', name: 'Anna' }, { id: 'b', name: 'Anna Maria' }] });
  for (const [line, id, words] of [
    ['/msg "anna maria" hello\nthere', 'b', 'hello\nthere'],
    ['/msg anna maria hello', 'a', 'maria hello'],
    [`${privately('Anna Maria')}hello`, 'b', 'hello'],
    [`${privately('Anna')} hello`, 'a', 'hello'],
  ]) {
    chat.say(line);
    const { to, text, type } = asked();
    assert.deepEqual([type, to, text], ['direct', id, words]);
  }
  chat.say('/msg Bob hello');
  assert.deepEqual([asked().type, asked().line], ['command', '/msg Bob hello']);
});

test('name that is taken is asked for again', () => {
  const { events, says, chat, sockets } = begun();
  sockets[0].closes(1006);
  chat.enter('Ann');
  sockets[1].opens();
  says({ type: 'error', code: 'name_taken', text: 'taken', suggestion: 'Ann 2' });
  assert.deepEqual(events.at(-1), ['name-refused', { name: 'Ann', suggestion: 'Ann 2', text: 'taken' }]);
  assert.equal(chat.connection.state.phase, 'idle');
});

test('page that nobody looks at does not grow for ever', () => {
  const it = begun();
  it.joined({ seq: 0, entries: [] });
  it.chat.reading = false;
  for (let seq = 1; seq <= 8000; seq += 1) it.says({ ...entry(seq), room: 'lobby' });
  assert.ok(it.chat.room.timeline.items.length < 7600);
  it.chat.reading = true;
  for (let n = 0; n < 2000; n += 1) {
    it.says({ type: 'direct', time: n, from: ann, to: { id: 'me', name: 'Me' }, text: 'hm', cid: `d${n}` });
  }
  assert.ok(it.chat.room.timeline.items.length < 1900);
});

test('private message that comes again is known, the last 64', () => {
  const it = begun();
  it.joined({ seq: 0, entries: [] });
  const hears = n => it.says({ type: 'direct', time: n, from: ann, to: { id: 'me', name: 'Me' }, text: 'hm', cid: `d${n}` });
  for (let n = 0; n < 65; n += 1) hears(n);
  hears(1);
  assert.equal(it.chat.room.timeline.items.length, 65);
  hears(0);
  assert.equal(it.chat.room.timeline.items.length, 66);
});
