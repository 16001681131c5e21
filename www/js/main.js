// Puts the parts together.

import { Chat } from './models/chat.js';
import { DEFAULT_ROOM, roomName } from './models/room.js';
import { Store } from './models/store.js';
import { privately } from './models/text.js';
import { language, t } from './strings.js';
import { ComposerView } from './views/composer.js';
import { ConnectionView } from './views/connection.js';
import { InviteView, NameView, SettingsView } from './views/dialogs.js';
import { followKeyboard, translate } from './views/dom.js';
import { FilesView } from './views/files.js';
import { LogView } from './views/log.js';
import { PeopleView, SidebarView } from './views/panels.js';

document.documentElement.lang = language;
translate();
followKeyboard();

const local = new Store(() => localStorage);
const session = new Store(() => sessionStorage);
const chat = new Chat({
  dial: () => new WebSocket(socketAddress(), 'veche.v1'),
  clock: {
    now: Date.now,
    setTimeout: (action, ms) => setTimeout(action, ms),
    clearTimeout: timer => clearTimeout(timer),
  },
  random: Math.random,
  local,
  session,
  notify: (event, detail) => changes[event](detail),
});

const files = new FilesView(chat);
const log = new LogView(chat, (verb, subject) => {
  if (verb === 'reply') return writeTo(subject);
  if (verb === 'file') return files.build(subject);
  chat.outbox[verb](subject);
});
const composer = new ComposerView(chat, session, { sent: () => log.toEnd() });
const sidebar = new SidebarView(chat);
const invite = new InviteView(chat);
const people = new PeopleView(chat, { write: writeTo });
const connection = new ConnectionView(chat);
const settings = new SettingsView(chat, local);
const name = new NameView(chat, {
  enter: chosen => chat.enter(chosen),
  rename: chosen => chat.rename(chosen),
});

const changes = {
  connection: ({ phase }) => {
    connection.render();
    composer.tray.render();
    if (phase === 'open' && name.accepted()) beginWriting();
    if (phase === 'closed') name.busy(false);
  },
  rooms: () => {
    sidebar.render();
    invite.render();
  },
  room: changed => changed === chat.current && log.render(),
  people: changed => changed === chat.current && people.render(),
  me: () => {
    sidebar.renderMe();
    name.changed();
  },
  'name-refused': refusal => name.refused(refusal),
  heard: said => {
    if (said.room === chat.current) log.announce(said.entry);
    settings.heard(said);
  },
  removed: () => log.forget(),
  recovered: ({ count }) => connection.say(t('recovered', { n: count })),
};

addEventListener('hashchange', openByAddress);
addEventListener('online', () => chat.connection.wake());
addEventListener('storage', ({ key }) => key === 'veche.session' && chat.sessionChanged());
addEventListener('offline', () => chat.connection.wake());
addEventListener('pageshow', event => event.persisted && chat.connection.wake());
document.addEventListener('visibilitychange', () => document.hidden || chat.connection.wake());

openByAddress();
if (chat.me.name || chat.token) {
  if (chat.me.name) sidebar.renderMe();
  name.accepted();
  chat.connection.start();
  beginWriting();
} else {
  name.ask();
}

/** The address names the room, so that a link is an invitation; it gives no token away. */
function openByAddress() {
  let [asked, token] = location.hash.slice(1).split(/(?:^|&)token=/);
  try {
    asked = decodeURIComponent(asked);
  } catch {
    // A broken escape names no room.
  }
  const room = roomName(asked) ?? DEFAULT_ROOM;
  if (asked !== room || token !== undefined) history.replaceState(null, '', `#${encodeURIComponent(room)}`);
  if (token) chat.enterBy(token);
  chat.open(room);
  composer.turnTo(room);
}

/** On a phone the keyboard would cover what there is to read. */
function beginWriting() {
  if (matchMedia('(hover: hover)').matches) composer.focus();
}

function writeTo(person) {
  composer.begin(privately(person.name));
}

/** Relative to the page, so that it works under any path and behind any proxy. */
function socketAddress() {
  const address = new URL('ws', location.href);
  address.protocol = address.protocol.replace('http', 'ws');
  return address;
}
