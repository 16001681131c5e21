// Where one writes.

import { completion, Recall } from '../models/text.js';
import { t } from '../strings.js';
import { byId, make } from './dom.js';
import { Tray } from './files.js';

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
    this.recall = new Recall(session);
    this.tray = new Tray(chat, () => this.#fit());
    this.suggestions = new Suggestions(chat, this.#text, (text, start) => {
      this.#text.setRangeText(text, start, this.#text.selectionEnd, 'end');
      this.#changed();
    });
    this.#form.onsubmit = event => {
      event.preventDefault();
      this.#send();
    };
    this.#text.oninput = () => this.#typed();
    this.#text.onkeydown = event => {
      // While an input method composes, keys belong to it.
      if (!event.isComposing && this.#takes(event)) event.preventDefault();
    };
  }

  /** Shows the current room's draft. */
  turnTo(room) {
    if (this.#room === room) return;
    this.#room = room;
    this.#text.placeholder = t('composer', { room });
    this.#text.ariaLabel = t('composer', { room });
    this.#set(this.#drafts()[room] ?? '');
    this.tray.render(room);
  }

  /** Begins a private message, unless something else is being written. */
  begin(text) {
    if ([this.#begun, ''].includes(this.#text.value)) this.#set((this.#begun = text));
    this.focus();
  }

  focus() {
    this.#text.focus();
  }

  /** Whether a key was for us. */
  #takes(event) {
    const { key } = event;
    if (this.suggestions.takes(event)) return true;
    if (event.shiftKey) return false;
    if (key === 'Enter') return this.#send() || true;
    const { value, selectionStart, selectionEnd } = this.#text;
    const { back } = this.recall;
    const by = { ArrowUp: 1, ArrowDown: -1, Escape: -back }[key];
    const onTheWay = { ArrowUp: value.slice(0, selectionStart), ArrowDown: value.slice(selectionEnd) }[key];
    if (!by || onTheWay?.includes('\n') || !(back || (by > 0 && !value))) return false;
    this.#show(this.recall.step(by));
    return true;
  }

  #typed() {
    this.recall.back = 0;
    this.suggestions.typed();
    this.#changed();
    if (this.#text.value.trim() && !this.#text.value.startsWith('/')) this.chat.typing();
  }

  #send() {
    const text = this.#text.value.replace(/\r\n?/g, '\n').trim();
    const { files } = this.tray;
    if (!(text || files[0]) || this.#problem()) return;
    if (files.some(file => file.problem)) return;
    const room = this.#room;
    if (files.some(file => !file.bytes)) {
      return Promise.all(files.map(file => file.ready)).then(() => room === this.#room && this.#send());
    }
    if (!files[0]) this.chat.say(text);
    files.forEach((file, index) => this.chat.sendFile(file, index ? '' : text));
    if (text) this.recall.add(text);
    this.#set('');
    this.tray.remove(...files);
    this.sent();
  }

  #set(text) {
    this.recall.back = 0;
    this.suggestions.close();
    this.#show(text);
  }

  #show(text) {
    this.#text.value = text;
    this.#changed();
  }

  #changed() {
    this.#keep();
    this.#fit();
  }

  /** As high as what is written, up to the limit of the style sheet. */
  #fit() {
    this.#text.style.setProperty('height', 'auto');
    const border = this.#text.offsetHeight - this.#text.clientHeight;
    this.#text.style.setProperty('height', `${this.#text.scrollHeight + border}px`);
    const problem = this.#problem();
    this.#hint.classList.toggle('problem', Boolean(problem));
    this.#hint.textContent = problem || t('composerHint');
  }

  #problem() {
    const text = this.#text.value.trim();
    const n = encoder.encode(text).length - (this.chat.limits.text_bytes || Infinity);
    if (n > 0) return t('tooLong', { n });
    // What is meant for one person must not go to all, as the words beside a file.
    return this.tray.files[0] && /^\/(?!\/)/.test(text) ? t('fileCommand') : '';
  }

  #drafts() {
    return { __proto__: null, ...this.session.get('drafts') };
  }

  #keep() {
    const { [this.#room]: _, ...others } = this.#drafts();
    const draft = this.#text.value;
    this.session.set('drafts', draft ? { ...others, [this.#room]: draft } : others);
  }
}

/**
 * The list above the composer: commands as soon as a slash is typed, names when Tab finds several.
 * Tab and the arrows write one after another, Enter or a click takes it, Escape closes the list:
 * then Tab moves on as everywhere.
 */
class Suggestions {
  #list = byId('suggestions');
  /** `{start, options}` of what is shown. */
  #offer = null;
  #chosen = -1;
  #caret = 0;

  /** @param write `(text, start)` puts text between there and the caret */
  constructor(chat, field, write) {
    this.chat = chat;
    this.field = field;
    this.write = write;
    field.onblur = () => this.close();
    // The field keeps the focus, and with it a phone its keyboard.
    this.#list.onpointerdown = event => event.preventDefault();
  }

  /** Something was typed. */
  typed() {
    this.close();
    if (/^\/\S*$/.test(this.field.value)) this.#show(this.#find());
  }

  /** Whether a key was for the list. */
  takes({ key, shiftKey }) {
    const by = { Tab: shiftKey ? -1 : 1, ArrowUp: -1, ArrowDown: 1 }[key];
    if (this.field.selectionEnd !== this.#caret) this.close();
    if (key === 'Tab' && !this.#offer && !shiftKey) this.#show(this.#find());
    if (!this.#offer) return false;
    if (by) return this.#choose(by);
    return (key === 'Escape' || (key === 'Enter' && this.#chosen >= 0)) && this.close();
  }

  close() {
    this.#show(null);
    return true;
  }

  #find() {
    const { value, selectionStart, selectionEnd } = this.field;
    const { room, me, commands } = this.chat;
    const others = room.people(me.id).filter(({ id }) => id !== me.id);
    const names = others.map(({ name }) => name);
    return selectionStart === selectionEnd &&
      completion(value.slice(0, selectionEnd), names, commands, t('afterName'));
  }

  /** With nothing to choose from, the one there is is taken. */
  #choose(by) {
    const { start, options } = this.#offer;
    this.#chosen = (Math.max(this.#chosen, by < 0 ? 0 : -1) + by + options.length) % options.length;
    this.write(options[this.#chosen].insert, start);
    this.#caret = this.field.selectionEnd;
    if (!options[1]) return this.close();
    [...this.#list.children].forEach((option, index) => {
      const chosen = index === this.#chosen;
      option.ariaSelected = chosen;
      if (chosen) option.scrollIntoView({ block: 'nearest' });
    });
    this.field.setAttribute('aria-activedescendant', `option-${this.#chosen}`);
    return true;
  }

  #show(offer) {
    this.#offer = offer || null;
    this.#chosen = -1;
    this.#caret = this.field.selectionEnd;
    this.field.removeAttribute('aria-activedescendant');
    this.#list.hidden = !offer;
    this.#list.replaceChildren(...(offer?.options ?? []).map(({ usage, insert, help = '' }, index) => {
      const properties = { id: `option-${index}`, role: 'option', ariaSelected: false };
      const option = make('li', properties, make('bdi', {}, usage), help);
      option.onclick = () => this.write(insert, offer.start) || this.close();
      return option;
    }));
  }
}
