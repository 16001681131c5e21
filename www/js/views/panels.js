// Beside the room: the rooms one is in, oneself, and who is here.

import { roomName } from '../models/room.js';
import { t } from '../strings.js';
import { avatar, byId, icon, make, oncePerFrame } from './dom.js';

const favicon = document.querySelector('[rel=icon]');
const bell = favicon.href;
let dotted = bell;
fetch(bell).then(async response => {
  const dot = '<circle cx="25" cy="7" r="6" fill="#d3432a"/></svg>';
  dotted = `data:image/svg+xml,${encodeURIComponent((await response.text()).replace('</svg>', dot))}`;
}, () => {});

export class SidebarView {
  #list = byId('rooms');
  #shown = null;

  constructor(chat) {
    this.chat = chat;
    this.render = oncePerFrame(() => this.#render());
    byId('add-room').onsubmit = event => {
      event.preventDefault();
      this.#add(byId('new-room'));
    };
    byId('new-room').oninput = () => (byId('room-problem').textContent = '');
  }

  renderMe() {
    const { me: { name }, token } = this.chat;
    const button = byId('me');
    // The site has named its member.
    button.disabled = token;
    button.title = token ? '' : t('renameTitle');
    button.replaceChildren(avatar(name), make('span', { className: 'name' }, name), token ? '' : icon('pencil'));
  }

  #render() {
    const { rooms, current } = this.chat;
    // The list is short and rebuilt whole; whoever stood in it with the keyboard stays there.
    const focused = this.#list.contains(document.activeElement) && document.activeElement.dataset.focus;
    this.#list.replaceChildren(...[...rooms.values()].map(room => this.#row(room, current)));
    if (focused) {
      [...this.#list.querySelectorAll('[data-focus]')].find(it => it.dataset.focus === focused)?.focus();
    }
    if (this.#shown !== current) this.#list.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest' });
    this.#shown = current;
    const unread = [...rooms.values()].reduce((sum, room) => sum + room.unread, 0);
    byId('elsewhere').hidden = unread === this.chat.room?.unread;
    byId('room-title').textContent = current;
    document.title = `${unread ? `(${unread}) ` : ''}#${current} · Veche`;
    const shape = unread ? dotted : bell;
    if (favicon.href !== shape) favicon.href = shape;
  }

  #row({ name, unread, mentions }, current) {
    const link = make('a', { href: `#${encodeURIComponent(name)}` });
    link.dataset.focus = `open ${name}`;
    link.append(make('bdi', { className: 'name' }, name));
    link.onclick = () => closeDrawer();
    if (name === current) link.ariaCurrent = 'page';
    if (unread) {
      link.classList.add('unread');
      if (mentions) link.append(badge('badge mentions', 'mentions', mentions, '@'));
      link.append(badge('badge', 'newMessages', unread));
    }
    const row = make('li', {}, link);
    if (this.chat.rooms.size > 1) row.append(this.#leaveButton(name));
    return row;
  }

  #leaveButton(name) {
    const label = t('leaveRoom', { room: name });
    const button = make('button', { className: 'icon leave', ariaLabel: label, title: label }, icon('close'));
    button.dataset.focus = `leave ${name}`;
    button.onclick = () => {
      this.chat.leave(name);
      location.hash = encodeURIComponent(this.chat.current);
    };
    return button;
  }

  #add(field) {
    const name = roomName(field.value);
    byId('room-problem').textContent = name || !field.value.trim() ? '' : t('roomInvalid');
    if (!name) return field.focus();
    field.value = '';
    closeDrawer();
    location.hash = encodeURIComponent(name);
  }
}

function badge(className, label, n, sign = '') {
  return make('span', { className, role: 'img', ariaLabel: t(label, { n }) }, sign + (n > 99 ? '99+' : n));
}

function closeDrawer() {
  if (byId('sidebar').matches(':popover-open')) byId('sidebar').hidePopover();
}

export class PeopleView {
  #timer = null;

  /** @param write begins a private message to a person */
  constructor(chat, { write }) {
    this.chat = chat;
    this.write = write;
    this.render = oncePerFrame(() => this.#render());
  }

  #render() {
    const { room, me } = this.chat;
    if (!room) return;
    const count = t('personCount', { n: room.count });
    byId('people-count').textContent = byId('people-total').textContent = room.count || '';
    byId('people-button').ariaLabel = `${t('people')}: ${count}`;
    const people = room.people(me.id).map(person => this.#member(person, me));
    const rest = room.count - room.members.size;
    if (rest > 0) people.push(make('li', { className: 'rest' }, t('morePeople', { n: rest })));
    const list = byId('members');
    const focused = list.contains(document.activeElement) && document.activeElement.dataset.id;
    list.replaceChildren(...people);
    if (focused) [...list.querySelectorAll('button')].find(it => it.dataset.id === focused)?.focus();
    this.#typing(room);
  }

  #member(person, me) {
    const button = make('button', {}, avatar(person.name));
    button.dataset.id = person.id;
    button.append(make('bdi', { className: 'name' }, person.name));
    if (person.role) button.append(make('bdi', { className: 'role' }, person.role));
    if (person.id === me.id) {
      button.disabled = true;
      button.append(make('span', { className: 'you' }, t('you')));
    } else {
      button.title = t('privateTo', { name: person.name });
      button.onclick = () => {
        if (byId('people').matches(':popover-open')) byId('people').hidePopover();
        this.write(person);
      };
    }
    return make('li', {}, button);
  }

  #typing(room) {
    const now = Date.now();
    const { names, next } = room.typing(now);
    const key = ['typing1', 'typing1', 'typing2'][names.length] ?? 'typingMany';
    byId('typing').textContent = names.length ? t(key, { a: names[0], b: names[1] }) : '';
    clearTimeout(this.#timer);
    if (next !== null) this.#timer = setTimeout(this.render, next - now);
  }
}
