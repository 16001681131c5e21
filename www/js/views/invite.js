// The link to the current room: where a room is empty, and with a QR code for phones when asked for.

import { t } from '../strings.js';
import { byId, draw } from './dom.js';

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
