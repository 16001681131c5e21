// What opens above the chat: choosing a name, the invitation to a room, the settings.

import { language, t } from '../strings.js';
import { byId, draw, make } from './dom.js';

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
      this.#field.ariaInvalid = !name;
      if (!name) return this.#field.focus();
      this.busy(true);
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
    this.busy(false);
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
    field.ariaInvalid = true;
    field.value = suggestion ?? name;
    field.focus();
    field.select();
  }

  #openDialog() {
    byId('new-name-problem').textContent = '';
    this.#newName.ariaInvalid = null;
    this.#newName.value = this.chat.me.name;
    this.#dialog.showModal();
    this.#newName.select();
  }

  busy(busy) {
    this.#button.ariaBusy = busy;
    this.#button.textContent = t(busy ? 'entering' : 'enter');
  }
}

/** Light around a QR code, in modules. */
const QUIET = 4;

export class InviteView {
  #dialog = byId('invite');
  #links = document.querySelectorAll('.invitation');

  constructor(chat) {
    this.chat = chat;
    for (const link of this.#links) link.lastElementChild.onclick = () => this.#copy(link);
    byId('invite-button').onclick = () => this.#open();
  }

  render() {
    byId('invite-title').textContent = t('inviteTo', { room: this.chat.current });
    for (const link of this.#links) {
      link.firstElementChild.textContent = `${location.host}${location.pathname}#${this.chat.current}`;
    }
  }

  async #open() {
    const picture = byId('qr');
    picture.replaceChildren();
    this.#dialog.showModal();
    // Few people ever need it.
    const { qrCode } = await import('../models/qr.js');
    const rows = qrCode(location.href);
    if (!rows) return;
    const size = rows.length + 2 * QUIET;
    const dark = rows.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x + QUIET} ${y + QUIET}h1v1h-1z` : '')));
    picture.append(draw(dark.join(''), size));
  }

  async #copy(link) {
    const [shown, button] = link.children;
    try {
      await navigator.clipboard.writeText(location.href);
      button.textContent = t('copied');
      setTimeout(() => (button.textContent = t('copyLink')), 2000);
    } catch {
      // No clipboard without a secure context: select it for the reader's own copying.
      getSelection().selectAllChildren(shown);
    }
  }
}

/** Hertz, loudness and seconds of the parts of a bell's voice. */
const PARTIALS = [[196, 0.05, 2], [392, 0.08, 1.5], [466, 0.05, 1], [784, 0.05, 0.5]];

const CHOICES = { theme: ['', 'light', 'dark'], language: ['en', 'ru'], notify: ['', 'me', 'all'], sound: ['', 'bell'] };

const TAB = Math.random();

export class SettingsView {
  /** @param local the browser's store: the tab that had the focus last calls, and no other */
  constructor(chat, local) {
    this.chat = chat;
    this.local = local;
    byId('open-settings').onclick = () => this.#open();
    byId('choices').onchange = ({ target }) => this.#choose(target);
    const attend = () => document.hasFocus() && local.set('reader', TAB);
    addEventListener('focus', attend);
    addEventListener('pagehide', () => this.#isReader() && local.set('reader', null));
    attend();
  }

  /** Somebody said something. */
  heard({ room, entry }) {
    if ((!document.hidden && document.hasFocus()) || !this.#isReader()) return;
    const { notify, sound } = this.#all;
    const isWanted = notify === 'all' || this.chat.concerns(entry);
    if (sound && (isWanted || document.hidden)) toll();
    if (notify && isWanted && isAllowed()) show(room, entry);
  }

  get #all() {
    return this.local.get('settings') ?? {};
  }

  #isReader() {
    return (this.local.get('reader') ?? TAB) === TAB;
  }

  #open() {
    const all = { language, ...this.#all };
    const choices = Object.entries(CHOICES).map(([name, values]) => {
      const options = values.map(value =>
        make('option', { value, selected: value === all[name] }, t(`${name}_${value}`)),
      );
      return make('label', {}, t(name), make('select', { name }, ...options));
    });
    byId('choices').replaceChildren(...choices);
    this.#explain();
    byId('settings').showModal();
  }

  async #choose({ name, value }) {
    this.local.set('settings', { ...this.#all, [name]: value });
    // This tab hears of it as the others do.
    dispatchEvent(new Event('storage'));
    if (name === 'language') location.reload();
    if (name === 'sound' && value) toll();
    if (name === 'notify' && value) await globalThis.Notification?.requestPermission();
    this.#explain();
  }

  #explain() {
    const isDenied = this.#all.notify && !isAllowed();
    byId('notify-problem').textContent = isDenied ? t('notifyDenied') : '';
  }
}

const isAllowed = () => globalThis.Notification?.permission === 'granted';

function show(room, { type, from: { name }, text, name: file }) {
  const title = type === 'direct' ? t('directFrom', { name }) : `${name} · #${room}`;
  try {
    const options = { body: text ?? t('fileEntry', { name: file }), tag: room, silent: true };
    new Notification(title, options).onclick = ({ target }) => {
      focus();
      location.hash = encodeURIComponent(room);
      target.close();
    };
  } catch {
    // Some phones have them for installed pages only.
  }
}

function toll() {
  const audio = new AudioContext();
  for (const [pitch, loudness, seconds] of PARTIALS) {
    const tone = audio.createOscillator();
    const fading = audio.createGain();
    tone.connect(fading).connect(audio.destination);
    tone.frequency.value = pitch;
    fading.gain.setValueAtTime(loudness, 0);
    fading.gain.exponentialRampToValueAtTime(0.0001, audio.currentTime + seconds);
    tone.start();
    tone.stop(audio.currentTime + seconds);
  }
  // Where the browser lets nothing be heard yet, it is not heard later.
  setTimeout(() => audio.close(), 3000);
}
