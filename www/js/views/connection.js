// The state of the connection, always visible and in words.

import { t } from '../strings.js';
import { byId, make } from './dom.js';

/** A connection that comes up at once needs no announcement. */
const PATIENCE_MS = 700;

export class ConnectionView {
  #bar = byId('connection');
  #light = byId('light');
  #button = byId('connection-now');
  #lost = false;
  #timer = null;

  constructor(chat) {
    this.chat = chat;
    this.#button.onclick = () => chat.connection.start();
  }

  /** Says something to screen readers, over and above what is seen. */
  say(text) {
    byId('status').textContent = text;
  }

  render() {
    clearTimeout(this.#timer);
    const { state } = this.chat.connection;
    this.#bar.dataset.phase = this.#light.dataset.phase = state.phase;
    switch (state.phase) {
      case 'idle': return (this.#bar.hidden = true);
      case 'connecting': return this.#connecting();
      case 'open': return this.#open();
      case 'waiting': return this.#waiting(state.until);
      case 'closed': return this.#closed(state);
    }
  }

  #connecting() {
    this.#describe(t('connecting'));
    const show = () => this.#show(t(this.#lost ? 'reconnecting' : 'connecting'), null);
    if (this.#lost) show();
    else this.#timer = setTimeout(show, PATIENCE_MS);
  }

  #open() {
    this.#describe(t('connected'));
    if (this.#lost) this.say(t('connected'));
    this.#lost = false;
    this.#bar.hidden = true;
  }

  #waiting(until) {
    const words = !navigator.onLine && t('offline');
    if (!this.#lost) this.say(words || t('reconnecting'));
    this.#lost = true;
    const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
    const text = words || (seconds > 0 ? t('reconnectingIn', { n: seconds }) : t('reconnecting'));
    this.#describe(text);
    this.#show(text, t('now'));
    if (seconds > 0) this.#timer = setTimeout(() => this.#waiting(until), 250);
  }

  #closed({ code, reason }) {
    const words = t(`close${code}`, { reason }, reason || `${code}`);
    const text = t('closed', { reason: words });
    this.#lost = true;
    this.say(text);
    this.#describe(text);
    // No token becomes right by showing it again.
    this.#show(text, code !== 4500 && t('connectAgain'));
  }

  #describe(text) {
    this.#light.title = text;
    const word = this.chat.connection.state.phase === 'open' ? t('connected') : '';
    if (this.#light.textContent === word) return;
    this.#light.replaceChildren(word && make('span', { className: 'word' }, word));
  }

  #show(text, button) {
    // Rewriting the same text would make a screen reader or a selection begin again.
    if (byId('connection-text').textContent !== text) byId('connection-text').textContent = text;
    this.#button.hidden = !button;
    if (button && this.#button.textContent !== button) this.#button.textContent = button;
    this.#bar.hidden = false;
  }
}
