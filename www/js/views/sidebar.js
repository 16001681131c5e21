// The rooms one is in, and oneself.

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
    const { name } = this.chat.me;
    byId('me').replaceChildren(avatar(name), make('span', { className: 'name' }, name), icon('pencil'));
  }

  #render() {
    const { rooms, current } = this.chat;
    // The list is short and rebuilt whole; whoever stood in it with the keyboard stays there.
    const focused = this.#list.contains(document.activeElement) && document.activeElement.dataset.focus;
    this.#list.replaceChildren(...[...rooms.values()].map(room => this.#row(room, current)));
    if (focused) {
      [...this.#list.querySelectorAll('[data-focus]')].find(it => it.dataset.focus === focused)?.focus();
    }
    const unread = [...rooms.values()].reduce((sum, room) => sum + room.unread, 0);
    byId('elsewhere').hidden = unread === this.chat.room?.unread;
    byId('room-title').textContent = current;
    document.title = `${unread ? `(${unread}) ` : ''}#${current} · Veche`;
    const shape = unread ? dotted : bell;
    if (favicon.href !== shape) favicon.href = shape;
  }

  #row({ name, unread, mentions }, current) {
    const link = make('a', { href: `#${encodeURIComponent(name)}`, 'data-focus': `open ${name}` });
    link.append(make('bdi', { className: 'name' }, name));
    link.onclick = () => closeDrawer();
    if (name === current) link.setAttribute('aria-current', 'page');
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
    const button = make('button', { type: 'button', className: 'icon leave', 'aria-label': label, title: label, 'data-focus': `leave ${name}` }, icon('close'));
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
  return make('span', { className, role: 'img', 'aria-label': t(label, { n }) }, sign + (n > 99 ? '99+' : n));
}

function closeDrawer() {
  if (byId('sidebar').matches(':popover-open')) byId('sidebar').hidePopover();
}
