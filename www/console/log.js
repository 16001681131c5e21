// What has happened on the connection, newest last.

import { t } from '../js/strings.js';
import { byId, make } from '../js/views/dom.js';
import { hexDump } from './bytes.js';

/** Older lines go, so that a busy server does not fill the memory of whoever watches it. */
const MOST_LINES = 500;
/** How much of a message is shown. */
const MOST_BYTES = 512;
const MOST_CHARACTERS = 4096;

const arrows = { open: '●', message: '↓', sent: '↑', error: '!', close: '■' };
const encoder = new TextEncoder();

export class LogView {
  #list = byId('log');
  #scroller = byId('scroller');

  constructor() {
    byId('clear').onclick = () => {
      this.#list.replaceChildren();
      this.#counted();
    };
    this.#counted();
  }

  /**
   * A line of `kind`: what it is about, and paragraphs or payloads below it. Returns a function
   * that follows the end, if it was followed so far.
   */
  add(kind, about, ...below) {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    const follow = () => {
      if (scrollHeight - scrollTop - clientHeight < 40) this.#scroller.scrollTo(0, this.#scroller.scrollHeight);
    };
    this.#list.append(make('li', { className: kind },
      make('span', { className: 'arrow', ariaHidden: true }, arrows[kind]),
      make('p', {}, make('strong', {}, t(kind)), ...about.map(part => make('span', {}, part)), now()),
      ...below));
    while (this.#list.childElementCount > MOST_LINES) this.#list.firstChild.remove();
    this.#counted();
    follow();
    return follow;
  }

  /** A message, sent or received: text, or a Blob or an ArrayBuffer. */
  async addPayload(kind, data) {
    if (typeof data === 'string') {
      const { length } = encoder.encode(data);
      const more = data.length - MOST_CHARACTERS;
      this.add(kind, [t('asText'), t('bytes', { n: length })],
        make('pre', { dir: 'auto' }, data.slice(0, MOST_CHARACTERS)), ...rest('moreCharacters', more));
      return;
    }
    const size = data.size ?? data.byteLength;
    const dump = make('pre', { dir: 'ltr' });
    const follow = this.add(kind, [t('asBinary'), data.constructor.name, t('bytes', { n: size })],
      dump, ...rest('moreBytes', size - MOST_BYTES));
    // The line has its place before a Blob has been read.
    const first = data.slice(0, MOST_BYTES);
    dump.textContent = hexDump(new Uint8Array(first.arrayBuffer ? await first.arrayBuffer() : first));
    follow();
  }

  #counted() {
    const n = this.#list.childElementCount;
    byId('count').textContent = t(n < MOST_LINES ? 'lines' : 'linesMost', { n });
    byId('quiet').hidden = n > 0;
  }
}

function rest(key, n) {
  return n > 0 ? [make('p', {}, t(key, { n }))] : [];
}

/** In milliseconds, which the clock of a chat does not need. */
function now() {
  const date = new Date();
  const local = new Date(date - date.getTimezoneOffset() * 60_000).toISOString();
  return make('time', { dateTime: date.toISOString() }, local.slice(11, 23));
}
