// What is shown of a room, and in which rows.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isAction, layout, Timeline } from '../../../www/js/models/timeline.js';
import { ann, entries, entry, seqs } from './fakes.mjs';

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

  test('entry that is removed takes the place of the one that was known', () => {
    const timeline = joined(1, 3);
    assert.equal(timeline.add([entry(2, { type: 'removed', text: undefined })]), 0);
    assert.deepEqual(timeline.items.map(({ entry: { type } }) => type), ['message', 'removed', 'message']);
    timeline.add([entry(2)]);
    assert.equal(timeline.items[1].entry.type, 'removed', 'for good');
    timeline.add([entry(1, { type: 'removed', time: undefined })]);
    assert.equal(timeline.items[0].entry.type, 'message');
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
