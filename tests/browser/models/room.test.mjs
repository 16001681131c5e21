// Rooms: their names, who types in them, and the list that is kept of them.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Room, roomName } from '../../../www/js/models/room.js';
import { RoomList } from '../../../www/js/models/store.js';
import { ann } from './fakes.mjs';

describe('rooms', () => {
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

  test('people keep their roles however they come', () => {
    const room = new Room('lobby');
    room.setMembers([{ ...ann, role: 'editor' }], 1);
    room.presence({ count: 2, arrived: [{ id: 'b', name: 'Bob', role: 'author' }], renamed: [{ id: 'a', name: 'Anna', role: 'chief' }] });
    assert.deepEqual(room.people('b').map(({ name, role }) => [name, role]), [['Bob', 'author'], ['Anna', 'chief']]);
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
