// The rooms one is in, and oneself.

import { roomName } from '../models/room.js';
import { t } from '../strings.js';
import { avatar, byId, icon, make, oncePerFrame } from './dom.js';

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
    const elsewhere = [...rooms.values()].some(room => room.name !== current && room.unread);
    byId('elsewhere').hidden = !elsewhere;
    byId('room-title').textContent = current;
  }

  #row({ name, unread }, current) {
    const link = make('a', { href: `#${encodeURIComponent(name)}`, 'data-focus': `open ${name}` });
    link.append(make('bdi', { className: 'name' }, name));
    link.onclick = () => closeDrawer();
    if (name === current) link.setAttribute('aria-current', 'page');
    if (unread) {
      link.classList.add('unread');
      link.append(make('span', { className: 'badge', 'aria-label': t('unread', { n: unread }), role: 'img' }, unread > 99 ? '99+' : unread));
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

function closeDrawer() {
  if (byId('sidebar').matches(':popover-open')) byId('sidebar').hidePopover();
}
