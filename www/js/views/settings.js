// What a reader may choose, kept by the browser for all its tabs; and how one is called who looks
// elsewhere: by a notification and the stroke of a bell.

import { language, t } from '../strings.js';
import { byId, make } from './dom.js';

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
