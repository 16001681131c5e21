// Where one writes.

import { t } from '../strings.js';
import { byId } from './dom.js';

const encoder = new TextEncoder();

export class ComposerView {
  #form = byId('composer');
  #text = byId('text');
  #hint = byId('composer-hint');
  #room = null;
  /** The last beginning of a private message. */
  #begun = '';

  /** @param session the tab's store: what was begun in a room is there again after a reload */
  constructor(chat, session, { sent }) {
    this.chat = chat;
    this.session = session;
    this.sent = sent;
    this.#form.onsubmit = event => {
      event.preventDefault();
      this.#send();
    };
    this.#text.oninput = () => this.#typed();
    this.#text.onkeydown = event => {
      // While an input method composes, Enter belongs to it.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send();
    };
  }

  /** Shows the current room's draft. */
  turnTo(room) {
    if (this.#room === room) return;
    this.#room = room;
    this.#text.placeholder = t('composer', { room });
    this.#text.setAttribute('aria-label', t('composer', { room }));
    this.#set(this.#drafts()[room] ?? '');
  }

  /** Begins a private message, unless something else is being written. */
  begin(text) {
    if ([this.#begun, ''].includes(this.#text.value)) this.#set((this.#begun = text));
    this.focus();
  }

  focus() {
    this.#text.focus();
  }

  #typed() {
    this.#keep();
    this.#fit();
    if (this.#text.value.trim() && !this.#text.value.startsWith('/')) this.chat.typing();
  }

  #send() {
    const text = this.#text.value.replace(/\r\n?/g, '\n').trim();
    if (!text || this.#excess() > 0) return;
    this.chat.say(text);
    this.#set('');
    this.sent();
  }

  #set(text) {
    this.#text.value = text;
    this.#keep();
    this.#fit();
  }

  /** As high as what is written, up to the limit of the style sheet. */
  #fit() {
    this.#text.style.setProperty('height', 'auto');
    const border = this.#text.offsetHeight - this.#text.clientHeight;
    this.#text.style.setProperty('height', `${this.#text.scrollHeight + border}px`);
    const excess = this.#excess();
    this.#hint.classList.toggle('problem', excess > 0);
    this.#hint.textContent = excess > 0 ? t('tooLong', { n: excess }) : t('composerHint');
  }

  #excess() {
    const limit = this.chat.limits.text_bytes || Infinity;
    return encoder.encode(this.#text.value.trim()).length - limit;
  }

  #drafts() {
    return this.session.get('drafts') ?? {};
  }

  #keep() {
    const { [this.#room]: _, ...others } = this.#drafts();
    const draft = this.#text.value;
    this.session.set('drafts', draft ? { ...others, [this.#room]: draft } : others);
  }
}
