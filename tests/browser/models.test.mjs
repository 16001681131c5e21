// The page's models without a page: no DOM, no network, a clock that is turned by hand.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import english from '../../www/js/languages/en.js';
import russian from '../../www/js/languages/ru.js';
import { Chat } from '../../www/js/models/chat.js';
import { askedDelay, backoffDelay, Connection, framed, isFinal } from '../../www/js/models/connection.js';
import { newCid, Outbox } from '../../www/js/models/outbox.js';
import { Room, roomName } from '../../www/js/models/room.js';
import { RoomList } from '../../www/js/models/store.js';
import {
  completion, hue, initials, isEmoji, mentions, privately, Recall, tokens,
} from '../../www/js/models/text.js';
import { isAction, layout, Timeline } from '../../www/js/models/timeline.js';
import { FakeClock, FakeSocket } from './fakes.mjs';

describe('backoff', () => {
  test('ceiling doubles from half a second to twenty', () => {
    const ceilings = [0, 1, 2, 3, 4, 5, 6, 40].map(attempt => backoffDelay(attempt, () => 1));
    assert.deepEqual(ceilings, [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]);
  });

  test('jitter is full', () => {
    assert.equal(backoffDelay(5, () => 0), 0);
  });

  test('codes 4500 to 4999 are final and no others', () => {
    assert.deepEqual([1000, 1006, 1012, 4008, 4499].filter(isFinal), []);
    assert.deepEqual([4500, 4507, 4999].filter(isFinal), [4500, 4507, 4999]);
  });

  test('a delay asked for in the close reason is kept, with jitter', () => {
    assert.equal(askedDelay('retry_ms=3000', () => 0), 3000);
    assert.equal(askedDelay('restart; retry_ms=3000', () => 0.5), 4500);
    assert.equal(askedDelay('bye', () => 0), null);
    assert.equal(askedDelay(undefined, () => 0), null);
  });
});

describe('connection', () => {
  function dialled() {
    const clock = new FakeClock();
    const sockets = [];
    const heard = [];
    const connection = new Connection({
      dial: () => sockets[sockets.push(new FakeSocket()) - 1],
      clock,
      random: () => 1,
      on: { state: () => {}, socketOpen: () => {}, message: message => heard.push(message) },
    });
    connection.start();
    const open = () => {
      sockets.at(-1).opens();
      connection.greeted(25);
    };
    return { clock, sockets, heard, connection, open };
  }

  test('lost connection waits, then dials again', () => {
    const { clock, sockets, connection, open } = dialled();
    open();
    sockets[0].closes(1006);
    assert.equal(connection.state.phase, 'waiting');
    clock.pass(499);
    assert.equal(sockets.length, 1);
    clock.pass(1);
    assert.equal(sockets.length, 2);
  });

  test('connections that do not last keep the wait growing', () => {
    const { clock, sockets, connection, open } = dialled();
    for (const wait of [500, 1000, 2000]) {
      open();
      sockets.at(-1).closes(1011);
      assert.equal(connection.state.until - clock.now(), wait);
      clock.pass(wait);
    }
    open();
    clock.pass(10_000);
    sockets.at(-1).closes(1006);
    assert.equal(connection.state.until - clock.now(), 500);
  });

  test('final close code ends it, and only a person begins again', () => {
    const { clock, sockets, connection, open } = dialled();
    open();
    sockets[0].closes(4503, 'kicked');
    assert.deepEqual(connection.state, { phase: 'closed', code: 4503, reason: 'kicked' });
    clock.pass(100_000);
    connection.wake();
    assert.equal(sockets.length, 1);
    connection.start();
    assert.equal(sockets.length, 2);
  });

  test('waking up does not wait', () => {
    const { sockets, connection, open } = dialled();
    open();
    sockets[0].closes(1006);
    connection.wake();
    assert.equal(sockets.length, 2);
  });

  test('silence is probed, and an unanswered probe ends the socket', () => {
    const { clock, sockets, connection, open } = dialled();
    open();
    clock.pass(25_000);
    assert.deepEqual(sockets[0].sent.at(-1), { type: 'ping', n: 1 });
    clock.pass(10_000);
    assert.equal(connection.state.phase, 'waiting');
    assert.ok(sockets[0].closed);
  });

  test('anything heard answers a probe', () => {
    const { clock, sockets, heard, connection, open } = dialled();
    open();
    for (let n = 1; n <= 5; n += 1) {
      clock.pass(25_000);
      assert.deepEqual(sockets[0].sent.at(-1), { type: 'ping', n });
      sockets[0].hears({ type: 'pong', n });
    }
    assert.equal(connection.state.phase, 'open');
    assert.deepEqual(heard, [], 'a pong is nobody else’s business');
  });

  test('frame with bytes is read as it was written, and a broken one is nothing', () => {
    const { sockets, connection, open } = dialled();
    const heard = [];
    connection.on.message = (message, bytes) => heard.push([message, [...bytes]]);
    open();
    const object = { type: 'file', name: 'ё' };
    connection.send(object, Uint8Array.of(0, 255));
    const [{ buffer }] = sockets[0].sent;
    sockets[0].onmessage({ data: buffer });
    assert.deepEqual(heard, [[object, [0, 255]]]);
    for (const bytes of [[], [0], [0, 9, 123], [0, 1, 123]]) sockets[0].onmessage({ data: Uint8Array.from(bytes).buffer });
    assert.equal(heard.length, 1);
  });

  test('probe behind a file has more time', () => {
    for (const slow of [it => (it.sockets[0].bufferedAmount = 1), it => (it.connection.receiving = true)]) {
      const it = dialled();
      it.open();
      slow(it);
      it.clock.pass(25_000 + 59_000);
      assert.equal(it.connection.state.phase, 'open');
      it.clock.pass(1000);
      assert.equal(it.connection.state.phase, 'waiting');
    }
  });

  test('greeting that does not come is a lost connection', () => {
    const { clock, sockets, connection } = dialled();
    sockets[0].opens();
    clock.pass(15_000);
    assert.equal(connection.state.phase, 'waiting');
  });

  test('events of an abandoned socket are not heard', () => {
    const { sockets, heard, connection, open } = dialled();
    open();
    const { onmessage } = sockets[0];
    connection.stop();
    assert.equal(sockets[0].onmessage, null);
    onmessage({ data: 'not JSON' });
    assert.deepEqual(heard, []);
  });
});

describe('outbox', () => {
  function box({ kept = null, up = true } = {}) {
    const clock = new FakeClock();
    const state = { up, kept };
    const sent = [];
    const outbox = new Outbox({
      store: { read: () => state.kept, write: items => (state.kept = JSON.parse(JSON.stringify(items))) },
      clock,
      send: item => state.up && sent.push(item.body.text) > 0,
      changed: () => {},
    });
    /** Returns the cid. */
    const say = text => outbox.add('lobby', { type: 'message', room: 'lobby', text }).cid;
    return { outbox, clock, state, sent, say };
  }

  test('cid is 128 random bits in the allowed alphabet', () => {
    assert.match(newCid(), /^[0-9a-f]{32}$/);
    assert.notEqual(newCid(), newCid());
  });

  test('what cannot go waits, and goes in order', () => {
    const { outbox, state, sent, say } = box({ up: false });
    say('one');
    say('two');
    assert.deepEqual(sent, []);
    state.up = true;
    outbox.flush();
    assert.deepEqual(sent, ['one', 'two']);
  });

  test('is kept until delivered, over a reload', () => {
    const first = box();
    const one = first.say('one');
    const two = first.say('two');
    first.outbox.delivered(one);
    const second = box({ kept: first.state.kept });
    second.outbox.flush();
    assert.deepEqual(second.sent, ['two']);
    assert.equal(second.outbox.items[0].body.cid, two);
  });

  test('lost connection puts unanswered items back with their cid', () => {
    const { outbox, sent, say } = box();
    say('one');
    outbox.flush();
    assert.deepEqual(sent, ['one']);
    outbox.disconnected();
    outbox.flush();
    assert.deepEqual(sent, ['one', 'one']);
    assert.equal(outbox.items.length, 1);
  });

  test('server that asks for a pause gets one, and then one message at a time', () => {
    const { outbox, clock, sent, say } = box();
    const [one, two, three] = ['one', 'two', 'three'].map(say);
    outbox.delivered(one);
    outbox.postpone(two, 400);
    outbox.postpone(three, 400);
    clock.pass(399);
    assert.equal(sent.length, 3);
    clock.pass(1);
    assert.deepEqual(sent.slice(3), ['two']);
    outbox.delivered(two);
    assert.deepEqual(sent.slice(3), ['two', 'three']);
  });

  test('item that fails or is discarded does not hold up the next', () => {
    const { outbox, clock, sent, say } = box();
    const [one, two] = ['one', 'two', 'three'].map(say);
    outbox.postpone(two, 400);
    outbox.disconnected();
    clock.pass(400);
    assert.deepEqual(sent.slice(3), ['one']);
    outbox.fail(one, { code: 'too_large', text: 'too long' });
    assert.deepEqual(sent.slice(3), ['one', 'two']);
    outbox.discard(two);
    assert.deepEqual(sent.slice(3), ['one', 'two', 'three']);
  });

  test('failed item stays until it is tried again or discarded', () => {
    const { outbox, sent, say } = box();
    const one = say('one');
    outbox.fail(one, { code: 'too_large', text: 'too long' });
    outbox.flush();
    assert.equal(outbox.items[0].state, 'failed');
    assert.deepEqual(sent, ['one']);
    outbox.retry(one);
    assert.deepEqual(sent, ['one', 'one']);
    outbox.discard(one);
    assert.deepEqual(outbox.items, []);
  });

  test('text after a file waits until the file is there', () => {
    const { outbox, sent, say } = box();
    const file = outbox.add('lobby', { type: 'file', text: 'file' }, {}, Uint8Array.of(1)).cid;
    say('after');
    assert.deepEqual(sent, ['file']);
    outbox.disconnected();
    outbox.flush();
    assert.deepEqual(sent, ['file', 'file']);
    outbox.delivered(file);
    assert.deepEqual(sent, ['file', 'file', 'after']);
    assert.equal(outbox.bytes.size, 0);
  });

  test('file whose bytes went with a reload says so and holds up nothing', () => {
    const first = box({ up: false });
    first.outbox.add('lobby', { type: 'file', text: 'file' }, {}, Uint8Array.of(1));
    first.say('after');
    const { outbox, sent } = box({ kept: first.state.kept });
    outbox.flush();
    assert.deepEqual(sent, ['after']);
    assert.deepEqual([outbox.items[0].state, outbox.items[0].problem], ['failed', { code: 'lost' }]);
  });

  test('room that cannot be sent to does not hold up the others', () => {
    const sent = [];
    const outbox = new Outbox({
      store: { read: () => null, write: () => {} },
      clock: new FakeClock(),
      send: item => item.room === 'open' && sent.push(item.body.text) > 0,
      changed: () => {},
    });
    outbox.add('shut', { text: 'waits' });
    outbox.add('open', { text: 'goes' });
    assert.deepEqual(sent, ['goes']);
  });
});

const ann = { id: 'a', name: 'Ann' };
const entry = (seq, more = {}) => ({ type: 'message', seq, time: seq * 1000, from: ann, text: `${seq}`, cid: `c${seq}`, ...more });
const entries = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => entry(from + index));
const seqs = timeline => timeline.items.filter(item => item.entry).map(item => item.entry.seq);

describe('timeline', () => {
  function joined(from, to, epoch = 'e') {
    const timeline = new Timeline();
    timeline.join({ epoch, seq: to, entries: entries(from, to), recovered: false, more: from > 1 });
    return timeline;
  }

  test('first join recovers nothing and knows where history goes on', () => {
    const timeline = joined(5, 8);
    assert.deepEqual([timeline.seq, timeline.oldest, timeline.more], [8, 5, true]);
  });

  test('entry known already changes nothing', () => {
    const timeline = joined(1, 3);
    assert.equal(timeline.add([entry(2)]), 0);
    assert.equal(timeline.add([entry(4), entry(4)]), 1);
    assert.equal(timeline.add([entry(5, { time: 2 ** 63 }), entry(6, { time: undefined })]), 0);
    assert.deepEqual(seqs(timeline), [1, 2, 3, 4]);
  });

  test('rejoin adds exactly what was missed', () => {
    const timeline = joined(1, 3);
    const missed = timeline.join({ epoch: 'e', seq: 5, entries: entries(4, 5), recovered: true, more: true });
    assert.deepEqual(missed, entries(4, 5));
    assert.equal(timeline.openGap, undefined);
    assert.deepEqual(seqs(timeline), [1, 2, 3, 4, 5]);
  });

  test('gap is marked, filled in order and gone', () => {
    const timeline = joined(1, 3);
    timeline.join({ epoch: 'e', seq: 309, entries: entries(210, 309), recovered: false, more: true });
    const gap = timeline.openGap;
    assert.equal(timeline.items[3], gap);
    assert.deepEqual([gap.from, gap.to], [4, 209]);
    timeline.add([entry(310)]);
    timeline.fill(gap, entries(4, 103));
    assert.deepEqual([gap.from, gap.to], [104, 209]);
    timeline.fill(gap, entries(104, 203));
    timeline.fill(gap, entries(204, 209));
    assert.deepEqual(seqs(timeline), entries(1, 310).map(({ seq }) => seq));
    assert.ok(!timeline.items.some(item => item.kind === 'gap'));
  });

  test('gap of a thousand is filled, a longer one is a divider', () => {
    const thousand = joined(1, 3);
    thousand.join({ epoch: 'e', seq: 1103, entries: entries(1004, 1103), recovered: false, more: true });
    assert.deepEqual([thousand.openGap.from, thousand.openGap.to], [4, 1003]);
    const longer = joined(1, 3);
    longer.join({ epoch: 'e', seq: 1104, entries: entries(1005, 1104), recovered: false, more: true });
    assert.equal(longer.openGap, undefined);
    assert.deepEqual([longer.items[3].kind, longer.items[3].long], ['gap', true]);
  });

  test('new epoch keeps what was said above a divider, and nothing twice', () => {
    const timeline = joined(1, 3);
    const kept = entry(1, { cid: 'c3' });
    const fresh = entry(2, { cid: 'new' });
    const missed = timeline.join({ epoch: 'f', seq: 2, entries: [kept, fresh], recovered: false, more: false });
    assert.deepEqual(missed, [fresh]);
    assert.deepEqual(timeline.items.map(item => item.entry?.cid ?? item.kind), ['c1', 'c2', 'epoch', 'c3', 'new']);
    assert.deepEqual([timeline.epoch, timeline.seq], ['f', 2]);
  });

  test('seq that went back is a new numbering', () => {
    const timeline = joined(1, 9);
    timeline.join({ epoch: 'e', seq: 4, entries: entries(1, 4), recovered: false, more: false });
    assert.equal(timeline.seq, 4);
    assert.equal(timeline.items.filter(item => item.kind === 'epoch').length, 1);
  });

  test('older history goes above, notes stay where they happened', () => {
    const timeline = joined(3, 4);
    timeline.note('notice', { text: 'hm' });
    timeline.add([entry(5)]);
    timeline.prepend(entries(1, 2), false);
    assert.deepEqual(timeline.items.map(item => item.entry?.seq ?? item.kind), [1, 2, 3, 4, 'notice', 5]);
    assert.equal(timeline.more, false);
  });

  test('arrivals and departures make one line, and cancel out', () => {
    const timeline = joined(1, 1);
    const bob = { id: 'b', name: 'Bob' };
    timeline.presence({ arrived: [ann, bob] }, 1);
    timeline.presence({ left: [ann] }, 2);
    const lines = timeline.items.filter(item => item.kind === 'presence');
    assert.equal(lines.length, 1);
    assert.deepEqual([lines[0].arrived, lines[0].left], [[bob], []]);
    timeline.presence({ left: [bob] }, 3);
    assert.ok(!timeline.items.some(item => item.kind === 'presence'));
  });

  test('whoever is renamed often, or comes and goes, takes no more room', () => {
    const timeline = joined(1, 1);
    timeline.presence({ arrived: [ann], renamed: [{ id: 'b', old: 'Bob', name: 'Bea' }] }, 1);
    timeline.presence({ renamed: [{ id: 'b', old: 'Bea', name: 'Ben' }, { id: 'a', old: 'Ann', name: 'Amy' }] }, 2);
    timeline.presence({ left: [ann] }, 3);
    assert.deepEqual(timeline.items.at(-1).renamed, [{ id: 'b', old: 'Bob', name: 'Ben' }]);
    timeline.presence({ renamed: [{ id: 'b', old: 'Ben', name: 'Bob' }] }, 4);
    assert.ok(!timeline.items.some(item => item.kind === 'presence'));
  });

  test('new epoch ends every gap that was being filled', () => {
    const timeline = joined(1, 3);
    for (const last of [300, 600]) {
      timeline.join({ epoch: 'e', seq: last, entries: entries(last - 99, last), recovered: false, more: true });
    }
    timeline.join({ epoch: 'f', seq: 1, entries: entries(1, 1), recovered: false, more: false });
    assert.equal(timeline.openGap, undefined);
  });

  test('gap that is forgotten is not filled', () => {
    const timeline = joined(1, 3);
    timeline.join({ epoch: 'e', seq: 309, entries: entries(210, 309), recovered: false, more: true });
    const gap = timeline.openGap;
    timeline.trim(50);
    timeline.fill(gap, entries(4, 103));
    assert.equal(timeline.oldest, 260);
  });

  test('notes that are forgotten leave nothing to ask for', () => {
    const timeline = joined(1, 3);
    for (let count = 0; count < 70; count += 1) timeline.note('notice', {});
    timeline.join({ epoch: 'f', seq: 1, entries: entries(1, 1), recovered: false, more: false });
    timeline.trim(50);
    assert.deepEqual([timeline.items.length, timeline.more], [50, false]);
  });

  test('trimmed timeline can ask for what it forgot', () => {
    const timeline = joined(1, 100);
    timeline.trim(50);
    assert.deepEqual([seqs(timeline).length, timeline.oldest, timeline.more], [50, 51, true]);
    timeline.prepend(entries(1, 50), false);
    assert.equal(seqs(timeline).length, 100);
  });
});

describe('layout', () => {
  const rowsOf = list => layout(list.map(one => ({ key: one.cid, kind: 'entry', entry: one })), [], { id: 'me', name: 'Me' });
  const noon = new Date(2024, 4, 1, 12).getTime();
  const at = (minutes, more) => entry(minutes, { time: noon + minutes * 60_000, ...more });

  test('messages of one author within five minutes are grouped', () => {
    const rows = rowsOf([at(0), at(4), at(9), at(10, { from: { id: 'b', name: 'Bob' } })]);
    assert.deepEqual(rows.map(row => row.grouped ?? row.kind), ['day', false, true, false, false]);
  });

  test('days are set apart, and end a group', () => {
    const rows = rowsOf([at(719), at(721)]);
    assert.deepEqual(rows.map(row => row.grouped ?? row.kind), ['day', false, 'day', false]);
  });

  test('own message keeps its row from pending to delivered', () => {
    const me = { id: 'me', name: 'Me' };
    const pending = { cid: 'x', room: 'r', time: noon, body: { text: 'hi', cid: 'x' }, state: 'sent' };
    const [, before] = layout([], [pending], me);
    const [, after] = layout([{ key: '0:1', kind: 'entry', entry: at(0, { from: me, cid: 'x' }) }], [], me);
    assert.equal(before.key, after.key);
  });

  test('caption of a file is no action', () => {
    assert.ok(isAction(at(0, { text: '/me waves' })));
    assert.ok(!isAction(at(0, { type: 'file', text: '/me waves' })));
  });
});

describe('markup', () => {
  const links = text => tokens(text).filter(token => token.href).map(token => token.text);

  test('only http and https are links', () => {
    assert.deepEqual(links('https://a.example http://b.example javascript:alert(1) ftp://c.example'), ['https://a.example', 'http://b.example']);
  });

  test('punctuation of the sentence is not part of a link', () => {
    assert.deepEqual(links('See https://a.example/x. (Or https://a.example/y_(z)!)'), ['https://a.example/x', 'https://a.example/y_(z)']);
  });

  test('tokens give the text back', () => {
    const alphabet = ['*', '**', '***', '`', '```', '\n', ' ', 'a', 'é', '🙂', ')', 'https://a.example/*b*', '<b>', '@', 'http://['];
    // A small generator of its own: the same texts every time.
    let state = 1;
    const random = () => (state = (state * 48271) % 2147483647);
    for (let round = 0; round < 5000; round += 1) {
      const text = Array.from({ length: random() % 20 }, () => alphabet[random() % alphabet.length]).join('');
      const found = tokens(text, 'a');
      assert.equal(found.map(token => token.text).join(''), text);
      assert.ok(found.every(token => token.text));
      assert.equal(found.filter(token => token.mark).length % 2, 0, `marks come in pairs: ${text}`);
    }
  });

  /** Each token behind the first letters of what it is: `b` bold, `i` italic, `c` code, `cb` a block. */
  const shown = (text, name) => tokens(text, name).filter(token => !token.mark).map(({ text, ...more }) => {
    const kinds = Object.keys(more).filter(kind => more[kind]).map(kind => kind[0]).sort().join('');
    return kinds ? `${kinds}:${text}` : text;
  });

  test('stars make bold and italic', () => {
    assert.deepEqual(shown('a **b** c'), ['a ', 'b:b', ' c']);
    assert.deepEqual(shown('*a*, ***b***'), ['i:a', ', ', 'bi:b']);
    assert.deepEqual(shown('**a *b* c**'), ['b:a ', 'bi:b', 'b: c']);
    assert.deepEqual(shown('(*см.* ниже)'), ['(', 'i:см.', ' ниже)']);
  });

  test('stars that stand for themselves stay', () => {
    for (const text of ['2*3*4', '2**3**4', 'a*b* c', '*a*b c', 'a * b * c', '* one\n* two', '*a\nb*', '**a', 'a**', '****', '**a*', '5* hotel, 4* food', 'snake_case_']) {
      assert.equal(shown(text).join(''), text);
      assert.ok(tokens(text).every(({ mark }) => !mark), text);
    }
  });

  test('links are in bold, and stars in links their own', () => {
    assert.deepEqual(shown('**see https://a.example/x**.'), ['b:see ', 'bh:https://a.example/x', '.']);
    assert.deepEqual(shown('https://a.example/*b*c'), ['h:https://a.example/*b*c']);
  });

  test('code is left alone, in a line or a block', () => {
    assert.deepEqual(shown('a `**b** https://c.example` d'), ['a ', 'c:**b** https://c.example', ' d']);
    assert.deepEqual(shown('x\n```js\nlet *a* = `b`;\n```\ny'), ['x', 'bc:let *a* = `b`;', 'y']);
    assert.deepEqual(shown('```one line```'), ['bc:one line']);
    assert.deepEqual(shown('**a `b` c**').filter(token => /^b:/.test(token)), [], 'bold does not cross it');
  });

  test('backticks that do not pair stay', () => {
    for (const text of ['`a', '`a\nb`', '``', '``a``', '``````', '```', '```\n```', '```a']) {
      assert.deepEqual(tokens(text).map(token => token.text).join(''), text);
      assert.ok(tokens(text).every(({ code }) => !code), text);
    }
  });

  test('time grows with the length alone', () => {
    const marks = ['*', '**a', '*a* ', '`', '`a``', '``` ', '```a\n', '````a', '```  ', ')', '.', 'http://', 'a ', '👍'];
    const sizes = [1024, 65_536];
    for (const mark of marks) {
      const [short, long] = sizes.map(size => {
        const text = `https://a${mark.repeat(size / mark.length)}`;
        // The best of several: others use the machine too.
        return Math.min(...Array.from({ length: 5 }, () => {
          const start = performance.now();
          tokens(text, 'a');
          isEmoji(text);
          return performance.now() - start;
        }));
      });
      // 64 times as long, so 4096 times the work if it were a square.
      assert.ok(long < 600 * Math.max(short, 0.2), `${mark}: ${short} ms, ${long} ms`);
    }
  });

  test('own name is found as a word, in any case, with or without @', () => {
    for (const text of ['Ann', 'hi @ann!', 'ANN: yes', '**Ann**', '(ann)', 'Ann’s']) assert.ok(mentions(text, 'Ann'), text);
    for (const text of ['Anna', 'Joann', 'ann_1', '`Ann`', 'https://a.example/Ann', 'A nn', '']) assert.ok(!mentions(text, 'Ann'), text);
    assert.ok(mentions('Привет, анна  мария!', 'Анна Мария'));
    assert.ok(!mentions('Аннам', 'Анна'));
    assert.ok(mentions('what a.+(b says', 'A.+(b'));
    assert.ok(!mentions('axx(b', 'A.+(b'));
    assert.ok(!mentions('Ann', null));
    assert.deepEqual(shown('hi @Ann, *ann*', 'Ann'), ['hi ', 'm:@Ann', ', ', 'im:ann']);
  });

  test('up to three emoji alone are large', () => {
    for (const text of ['🔔', '❤️', '👍🏽 👩‍👩‍👧 🇷🇺', '1️⃣']) assert.ok(isEmoji(text), text);
    for (const text of ['', '1', 'a🔔', '🔔!', '🔔🔔🔔🔔']) assert.ok(!isEmoji(text), text);
  });
});

describe('completion', () => {
  const commands = [{ name: 'me', usage: '/me TEXT', help: '' }, { name: 'msg', usage: '/msg NAME TEXT', help: '' }];
  const inserts = before => {
    const found = completion(before, ['Ann', 'Anna Maria', 'Bob'], commands, ': ');
    return found && [found.start, ...found.options.map(({ insert }) => insert)];
  };

  test('a name ends as fits its place', () => {
    assert.deepEqual(inserts('b'), [0, 'Bob: ']);
    assert.deepEqual(inserts('hi @b'), [4, 'Bob ']);
    assert.deepEqual(inserts('hi AN'), [3, 'Ann ', 'Anna Maria ']);
    assert.deepEqual(inserts('hi anna m'), [3, 'Anna Maria ']);
    for (const nothing of ['', 'hi ', '@', 'hi @', 'ob', 'x'.repeat(9000)]) assert.equal(inserts(nothing), undefined, nothing);
  });

  test('commands begin the text, and names in them are quoted where they must be', () => {
    assert.deepEqual(inserts('/'), [0, '/me ', '/msg ']);
    assert.deepEqual(inserts('/MS'), [0, '/msg ']);
    assert.deepEqual(inserts('/msg an'), [0, '/msg Ann ', '/msg "Anna Maria" ']);
    assert.deepEqual(inserts('/msg "anna m'), [0, '/msg "Anna Maria" ']);
    assert.equal(inserts('/x'), undefined);
    assert.equal(inserts('say /m'), undefined);
  });
});

describe('recall', () => {
  function recall() {
    const kept = {};
    return new Recall({ get: key => kept[key] ?? null, set: (key, value) => (kept[key] = value) });
  }

  test('walks to the oldest of fifty, and no further', () => {
    const sent = recall();
    assert.equal(sent.step(1), '');
    for (let n = 1; n <= 60; n += 1) sent.add(`${n}`);
    assert.equal(sent.step(1), '60');
    assert.equal(sent.step(48), '12');
    assert.equal(sent.step(1), '11');
    assert.equal(sent.step(1), '11');
    assert.equal(sent.step(-50), '');
  });

  test('the same text is met once', () => {
    const sent = recall();
    for (const text of ['a', 'b', 'a']) sent.add(text);
    assert.deepEqual([sent.step(1), sent.step(1), sent.step(1)], ['a', 'b', 'b']);
  });
});

describe('languages', () => {
  test('both say the same things with the same parameters', () => {
    assert.deepEqual(Object.keys(russian), Object.keys(english));
    for (const key of Object.keys(english)) {
      const parameters = string => [...new Set(JSON.stringify(string).match(/\{\w+\}/g))].sort();
      assert.deepEqual(parameters(russian[key]), parameters(english[key]), key);
    }
  });

  test('plurals have every form that their language needs', () => {
    for (const [key, string] of Object.entries(english)) {
      if (typeof string === 'object') assert.deepEqual(Object.keys(string), ['one', 'other'], key);
    }
    for (const [key, string] of Object.entries(russian)) {
      if (typeof string === 'object') assert.deepEqual(Object.keys(string), ['one', 'few', 'other'], key);
    }
  });
});

describe('rooms and people', () => {
  test('room names are spelled as the server spells them', () => {
    assert.equal(roomName(' #Площадь 1 '), 'площадь-1');
    assert.equal(roomName(''), null);
    assert.equal(roomName('a/b'), null);
    assert.equal(roomName('x'.repeat(65)), null);
    assert.equal(roomName('𝒳'.repeat(64)), '𝒳'.repeat(64));
    assert.equal(roomName('ΟΔΟΣ'), 'οδοσ');
  });

  test('rooms of scripts with combining marks can be opened, as at the server', () => {
    for (const name of ['सभा', 'हिन्दी', 'ห้อง', 'e\u0301t']) assert.equal(roomName(`#${name}`), name);
    for (const name of ['\u0301a', 'a\u200b', 'a\u034f', '👋']) assert.equal(roomName(name), null, name);
  });

  test('typing ends by itself and with what was typed', () => {
    const room = new Room('lobby');
    room.startsTyping(ann, 1000);
    assert.deepEqual(room.typing(5999), { names: ['Ann'], next: 6000 });
    assert.deepEqual(room.typing(6000), { names: [], next: null });
    room.startsTyping(ann, 7000);
    room.stopsTyping('a');
    assert.deepEqual(room.typing(7001).names, []);
  });

  test('whoever has stopped typing is forgotten in rooms that nobody looks at', () => {
    const room = new Room('lobby');
    room.startsTyping(ann, 1000);
    room.startsTyping({ id: 'b', name: 'Bob' }, 7000);
    assert.deepEqual(room.typing(0).names, ['Bob']);
  });

  test('a name has one colour, whatever its case', () => {
    assert.equal(hue('Ann'), hue('ANN'));
    assert.equal(initials('ann-maria v'), 'AM');
    assert.equal(initials('Ёж'), 'Ё');
  });
});

describe('list of rooms', () => {
  /** The list, and what was written of it. */
  function list(kept) {
    const written = [];
    const get = () => structuredClone(written.at(-1) ?? kept);
    return { written, rooms: new RoomList({ get, set: (_, rooms) => written.push(structuredClone(rooms)) }) };
  }

  test('a place only ever advances, and is written only then', () => {
    const { written, rooms } = list([{ name: 'lobby' }, { name: 'wharf', read: { epoch: 'e', seq: 3 } }]);
    rooms.add('lobby');
    rooms.read('wharf', { epoch: 'e', seq: 2 });
    rooms.read('wharf', { epoch: 'e', seq: 3 });
    rooms.read('left', { epoch: 'e', seq: 1 });
    assert.deepEqual(written, []);
    rooms.read('wharf', { epoch: 'e', seq: 4 });
    rooms.read('wharf', { epoch: 'f', seq: 1 });
    assert.deepEqual(written.map(([, { read }]) => read), [{ epoch: 'e', seq: 4 }, { epoch: 'f', seq: 1 }]);
  });

  test('anything may be kept by the browser', () => {
    for (const kept of [null, 5, {}, [null, 5, { read: 5 }]]) assert.deepEqual(list(kept).rooms.all, []);
  });
});

describe('chat', () => {
  /** What tabs share, or one tab's own. */
  function area(kept = {}) {
    const store = new Map(Object.entries(kept));
    const get = key => structuredClone(store.get(key) ?? null);
    const set = (key, value) => store.set(key, structuredClone(value));
    return { store, get, set };
  }

  /** A chat whose server is the test: `says` answers, `asked` is what it was sent last. */
  function begun(kept = {}, local = area({ name: 'Me', rooms: [{ name: 'lobby' }], ...kept })) {
    const clock = new FakeClock();
    const sockets = [];
    const events = [];
    const chat = new Chat({
      dial: () => sockets[sockets.push(new FakeSocket()) - 1],
      clock,
      random: () => 0,
      local,
      session: { get: () => null, set: () => {} },
      notify: (event, detail) => events.push([event, detail]),
    });
    chat.open('lobby');
    chat.reading = true;
    chat.connection.start();
    const says = message => sockets.at(-1).hears(message);
    const asked = () => sockets.at(-1).sent.at(-1);
    const greets = (session = 's') =>
      says({ type: 'welcome', session, id: 'me', name: chat.me.name, limits: {}, ping_seconds: 25, commands: [] });
    const welcome = () => {
      sockets.at(-1).opens();
      greets();
    };
    const joined = more => says({
      type: 'joined', room: 'lobby', epoch: 'e', count: 1, members: [], recovered: false, more: false, cid: asked().cid, ...more,
    });
    const lose = () => {
      sockets.at(-1).closes(1006);
      clock.pass(1);
      welcome();
    };
    welcome();
    return { chat, clock, local, sockets, says, asked, greets, joined, lose, events };
  }

  /** Somebody is shown the end of the current room. */
  const looks = ({ chat }) => {
    chat.reading = true;
    chat.seen();
  };

  const recovered = ({ events }) => events.filter(([event]) => event === 'recovered').map(([, { count }]) => count);

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

  /** A second tab of the same browser. */
  const besides = tab => begun({}, tab.local);
  const hellos = ({ sockets }) => sockets.at(-1).sent.filter(({ type }) => type === 'hello');
  const taken = { type: 'error', code: 'name_taken', text: 'taken', suggestion: 'Me-2' };
  const isRefused = ({ events }) => events.some(([event]) => event === 'name-refused');

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
});
