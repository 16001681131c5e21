// Who is here, and who is writing.

import { t } from '../strings.js';
import { avatar, byId, make, oncePerFrame } from './dom.js';

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
    byId('people-button').setAttribute('aria-label', `${t('people')}: ${count}`);
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
    const button = make('button', { type: 'button', 'data-id': person.id }, avatar(person.name));
    button.append(make('bdi', { className: 'name' }, person.name));
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
