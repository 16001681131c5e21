// The first visit, and changing one's name later.

import { t } from '../strings.js';
import { byId } from './dom.js';

export class NameView {
  #field = byId('name');
  #problem = byId('name-problem');
  #button = byId('enter').querySelector('button');
  #dialog = byId('rename');
  #newName = byId('new-name');

  /** @param on `{enter(name), rename(name)}` */
  constructor(chat, on) {
    this.chat = chat;
    byId('enter').onsubmit = event => {
      event.preventDefault();
      const name = this.#field.value.trim();
      this.#problem.textContent = name ? '' : t('nameEmpty');
      this.#field.setAttribute('aria-invalid', String(!name));
      if (!name) return this.#field.focus();
      this.#busy(true);
      on.enter(name);
    };
    byId('me').onclick = () => this.#openDialog();
    byId('rename-cancel').onclick = () => this.#dialog.close();
    this.#dialog.onclose = () => on.rename(null);
    byId('rename-form').onsubmit = event => {
      // Stays open until the server has agreed.
      event.preventDefault();
      const name = this.#newName.value.trim();
      if (!name) return this.#newName.focus();
      if (name === chat.me.name) return this.#dialog.close();
      on.rename(name);
    };
  }

  /** Asks for a name before anything else. */
  ask(name = '') {
    byId('chat').hidden = true;
    byId('welcome').hidden = false;
    this.#busy(false);
    this.#field.value = name;
    this.#field.focus();
  }

  /** We have one that the server agrees to. True if it was asked for just now. */
  accepted() {
    const asked = !byId('welcome').hidden;
    byId('welcome').hidden = true;
    byId('chat').hidden = false;
    this.#problem.textContent = '';
    return asked;
  }

  changed() {
    if (this.#newName.value.trim() === this.chat.me.name) this.#dialog.close();
  }

  /** The server does not agree; if the name is taken it knows one that is free. */
  refused({ name, suggestion, text }) {
    const renaming = this.#dialog.open;
    if (!renaming) this.ask(name);
    const field = renaming ? this.#newName : this.#field;
    const problem = renaming ? byId('new-name-problem') : this.#problem;
    problem.textContent = suggestion ? t('nameTaken', { name, suggestion }) : text;
    field.setAttribute('aria-invalid', 'true');
    field.value = suggestion ?? name;
    field.focus();
    field.select();
  }

  #openDialog() {
    byId('new-name-problem').textContent = '';
    this.#newName.removeAttribute('aria-invalid');
    this.#newName.value = this.chat.me.name;
    this.#dialog.showModal();
    this.#newName.select();
  }

  #busy(busy) {
    this.#button.setAttribute('aria-busy', String(busy));
    this.#button.textContent = t(busy ? 'entering' : 'enter');
  }
}
