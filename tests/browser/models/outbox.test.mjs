// What is to be sent: in order, once, over losses and reloads.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { newCid, Outbox } from '../../../www/js/models/outbox.js';
import { FakeClock } from './fakes.mjs';

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
    outbox.fail({ code: 'too_large', text: 'too long' }, one);
    assert.deepEqual(sent.slice(3), ['one', 'two']);
    outbox.discard(two);
    assert.deepEqual(sent.slice(3), ['one', 'two', 'three']);
  });

  test('failed item stays until it is tried again or discarded', () => {
    const { outbox, sent, say } = box();
    const one = say('one');
    outbox.fail({ code: 'too_large', text: 'too long' }, one);
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
