// Files: those chosen and not sent yet, and those in the log. Pictures are fetched when they come
// near the view, all else when it is asked for; nothing but five kinds of pictures is ever shown.

import { fileSize, t } from '../strings.js';
import { byId, icon, make } from './dom.js';
import { problemText } from './log.js';

const PICTURE = /^image\/(png|jpeg|gif|webp|avif)$/;
/** So many bytes of pictures are kept beside those near the view. */
const KEPT_BYTES = 30e6;
/** So many files at once, with those on their way. */
const MOST = 10;
/** The longer side, in pixels, of a picture that is made smaller. */
const SIDE = 2560;
const SAMPLING_MS = 200;
const SAVING_MS = 60_000;

const blobUrl = (bytes, type) => URL.createObjectURL(new Blob([bytes], { type }));

export class FilesView {
  /** By key: `{entry, tile, img, near?, url?}`. */
  #pictures = new Map();

  constructor(chat) {
    this.chat = chat;
    this.near = new IntersectionObserver(
      changes => changes.forEach(({ target, isIntersecting }) => this.#look(target, isIntersecting)),
      { root: byId('scroller'), rootMargin: '600px' },
    );
    new MutationObserver(() => this.#sweep()).observe(byId('log'), { childList: true });
  }

  /** What stands in a row. */
  build({ entry, pending }) {
    const { outbox, connection } = this.chat;
    const key = `${entry.from.id} ${entry.cid}`;
    const bytes = outbox.bytes.get(entry.cid);
    const isTile = PICTURE.test(entry.media) && (bytes || !pending);
    const file = make('div', { className: 'file' }, isTile ? this.#tile(key, entry, bytes) : this.#card(key, entry));
    if (!pending || pending.state === 'failed') return file;
    const bar = make('progress', { max: entry.size, value: 0, ariaLabel: t('pending') });
    const sample = () => {
      bar.value = entry.size - connection.unsent;
      if (bar.isConnected) setTimeout(sample, SAMPLING_MS);
    };
    if (pending.state === 'sent') setTimeout(sample);
    file.append(bar);
    return file;
  }

  /** A place that is as large before there is a picture in it. */
  #tile(key, entry, bytes) {
    const old = this.#pictures.get(key);
    const img = make('img', { alt: entry.name });
    const button = make('button', {}, img);
    const tile = make('div', { className: 'tile' }, button);
    tile.dataset.key = key;
    const picture = { ...old, entry, tile, img };
    if (old) this.near.unobserve(old.tile);
    this.near.observe(tile);
    this.#pictures.set(key, picture);
    img.onerror = () => this.#fail(picture);
    button.onclick = () => picture.url && enlarge(picture);
    const url = picture.url ?? (bytes && blobUrl(bytes, entry.media));
    if (url) this.#fill(picture, url);
    return tile;
  }

  #look({ dataset: { key } }, near) {
    const picture = this.#pictures.get(key);
    if (!picture) return;
    const { entry, url } = picture;
    picture.near = near;
    if (!near) return this.chat.files.drop(key);
    if (url || !entry.seq) return;
    this.chat.files.want(key, entry, (bytes, problem) => {
      // The row may have been built anew.
      const now = this.#pictures.get(key);
      if (bytes) this.#fill(now, blobUrl(bytes, entry.media));
      else this.#fail(now, problem);
    });
  }

  #fill(picture, url) {
    picture.img.src = picture.url = url;
    let kept = 0;
    for (const other of [...this.#pictures.values()].reverse()) {
      if (other.near || !other.url) continue;
      kept += other.entry.size;
      if (kept > KEPT_BYTES) revoke(other);
    }
  }

  #fail({ entry, tile }, problem) {
    tile.replaceChildren(this.#card(tile.dataset.key, entry, problem));
  }

  #card(key, entry, problem) {
    const failure = make('span', { className: 'problem', role: 'alert' });
    const say = reason => (failure.textContent = reason ? problemText(reason) : '');
    const card = make('p', { className: 'paper' }, make('bdi', {}, entry.name), fileSize(entry.size), ' ', failure);
    if (entry.seq) {
      const button = make('button', { className: 'link' }, t('download'));
      button.onclick = () => this.chat.files.want(key, entry, (bytes, reason) => {
        say(reason);
        if (bytes) save(entry.name, bytes);
      });
      failure.before(button);
    }
    say(problem);
    return card;
  }

  /** Rows that are gone take their pictures with them. */
  #sweep() {
    for (const [key, picture] of this.#pictures) {
      if (picture.tile.isConnected) continue;
      this.#pictures.delete(key);
      this.near.unobserve(picture.tile);
      this.chat.files.drop(key);
      revoke(picture);
    }
  }
}

function revoke(picture) {
  URL.revokeObjectURL(picture.url);
  picture.dialog?.close();
  picture.url = null;
  picture.img.removeAttribute('src');
}

function enlarge(picture) {
  const { url, entry: { name } } = picture;
  const close = make('button', { className: 'icon', ariaLabel: t('close') }, icon('close'));
  const dialog = picture.dialog = make('dialog', { className: 'zoomed', ariaLabel: name }, make('img', { src: url, alt: name }), close);
  dialog.onclick = () => dialog.close();
  dialog.onclose = () => dialog.remove();
  document.body.append(dialog);
  dialog.showModal();
}

function save(name, bytes) {
  const url = blobUrl(bytes, 'application/octet-stream');
  make('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), SAVING_MS);
}

/** Above the composer, what was chosen for each room. */
export class Tray {
  #list = byId('tray');
  /** By room: `{name, media, bytes}`; without bytes it is not `ready`, or has a `problem`. */
  #all = new Map();
  #room = null;

  /** @param changed is called when there is more or less */
  constructor(chat, changed) {
    this.chat = chat;
    this.changed = changed;
    byId('attach').onclick = () => byId('files').click();
    byId('files').onchange = ({ target }) => {
      this.#add(target.files);
      target.value = '';
    };
    document.onpaste = event => {
      const { clipboardData: data, target } = event;
      // A table is copied as words, and as a picture of them.
      const words = data.types.includes('text/html') && data.getData('text');
      if (!data.files.length || words || target.matches('input')) return;
      event.preventDefault();
      this.#add(data.files);
    };
    // What is let go beside the room would take the place of the page.
    document.ondragover = document.ondragleave = document.ondrop = event => this.#drag(event);
  }

  get files() {
    return this.#all.get(this.#room) ?? [];
  }

  /** Shows what a room has, if files are taken at all. */
  render(room = this.#room) {
    this.#room = room;
    byId('attach').hidden = !this.chat.limits.file_bytes;
    this.#list.hidden = !this.files[0];
    this.#list.replaceChildren(...this.files.map(file => {
      const { name, bytes, problem, url } = file;
      const remove = make('button', { className: 'icon', ariaLabel: `${t('discard')}: ${name}` }, icon('close'));
      remove.onclick = () => this.remove(file);
      const text = make('p', {}, make('bdi', {}, name), problem ?? (bytes ? fileSize(bytes.length) : '…'));
      if (problem) text.className = 'problem';
      return make('li', {}, url ? make('img', { src: url, alt: '' }) : '', text, remove);
    }));
    this.changed();
  }

  remove(...files) {
    for (const { url } of files) URL.revokeObjectURL(url);
    this.#change(this.files.filter(file => !files.includes(file)));
  }

  #change(files) {
    this.#all.set(this.#room, files);
    this.render();
    byId('text').focus();
  }

  #add(files) {
    const { limits, outbox } = this.chat;
    if (!limits.file_bytes) return;
    const free = MOST - this.files.length - outbox.bytes.size;
    this.#change([...this.files, ...[...files].slice(0, MOST + 1).map((file, index) => {
      const { name } = file;
      if (index >= free) return { name, problem: t('tooManyFiles', { n: MOST }) };
      const one = { name };
      one.ready = this.#prepare(one, file, limits.file_bytes);
      return one;
    })]);
  }

  async #prepare(one, file, limit) {
    const large = file.size > limit;
    try {
      const small = large ? await shrink(file, limit) : file;
      const bytes = new Uint8Array(await small.arrayBuffer());
      if (!bytes.length) throw file;
      Object.assign(one, { name: small.name, media: small.type, bytes });
      if (PICTURE.test(small.type)) one.url = blobUrl(bytes, small.type);
    } catch {
      one.problem = t(large ? 'fileTooLarge' : 'fileUnreadable', { limit: fileSize(limit) });
    }
    this.render();
  }

  #drag(event) {
    const { type, dataTransfer: data } = event;
    if (!data.types.includes('Files')) return;
    event.preventDefault();
    const { dataset } = this.#list.parentElement;
    if (!this.chat.limits.file_bytes) data.dropEffect = 'none';
    else if (type === 'dragover') dataset.drop = t('attach');
    if (type === 'drop' || (type === 'dragleave' && !event.relatedTarget)) delete dataset.drop;
    if (type === 'drop') this.#add(data.files);
  }
}

/** The same picture in fewer bytes; throws where that cannot be. */
async function shrink(file, limit) {
  // It may move; and what is no picture would be read as a whole to find that out.
  if (!/^image\/(?!gif)/.test(file.type)) throw file;
  const image = await createImageBitmap(file);
  const canvas = make('canvas');
  const type = file.type === 'image/png' ? 'image/webp' : file.type;
  let quality = 0.9;
  // A canvas without any extent makes no blob, and ends it.
  for (let scale = Math.min(1, SIDE / Math.max(image.width, image.height)); ; scale *= 0.8) {
    canvas.width = image.width * scale;
    canvas.height = image.height * scale;
    canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
    quality = Math.max(0.6, quality - 0.1);
    const blob = await new Promise(done => canvas.toBlob(done, type, quality));
    const name = file.name.replace(/(\.\w+)?$/, blob.type.replace('image/', '.'));
    if (blob.size <= limit) return new File([blob], name, blob);
  }
}
