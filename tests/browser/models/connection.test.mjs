// The connection: when it dials, waits and gives up.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { askedDelay, backoffDelay, Connection, isFinal } from '../../../www/js/models/connection.js';
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
    assert.deepEqual([4500, 4503, 4999].filter(isFinal), [4500, 4503, 4999]);
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
