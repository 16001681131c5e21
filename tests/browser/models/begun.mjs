// A chat with its server played by the test.

import { Chat } from '../../../www/js/models/chat.js';
import { FakeClock, FakeSocket } from './fakes.mjs';

/** What tabs share, or one tab's own. */
export function area(kept = {}) {
  const store = new Map(Object.entries(kept));
  const get = key => structuredClone(store.get(key) ?? null);
  const set = (key, value) => store.set(key, structuredClone(value));
  return { store, get, set };
}

/** A chat whose server is the test: `says` answers, `asked` is what it was sent last. */
export function begun(kept = {}, local = area({ name: 'Me', rooms: [{ name: 'lobby' }], ...kept }), session = area()) {
  const clock = new FakeClock();
  const sockets = [];
  const events = [];
  const chat = new Chat({
    dial: () => sockets[sockets.push(new FakeSocket()) - 1],
    clock,
    random: () => 0,
    local,
    session,
    notify: (event, detail) => events.push([event, detail]),
  });
  chat.open('lobby');
  chat.reading = true;
  chat.connection.start();
  const says = message => sockets.at(-1).hears(message);
  const asked = () => sockets.at(-1).sent.at(-1);
  const greets = (session = chat.token ? null : 's') =>
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
  return { chat, clock, local, session, sockets, says, asked, greets, joined, lose, events };
}

/** Somebody is shown the end of the current room. */
export const looks = ({ chat }) => {
  chat.reading = true;
  chat.seen();
};

export const recovered = ({ events }) => events.filter(([event]) => event === 'recovered').map(([, { count }]) => count);

export const isRefused = ({ events }) => events.some(([event]) => event === 'name-refused');
