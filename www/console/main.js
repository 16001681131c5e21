// A WebSocket to look at: what it is told, what it says, and how it ends.

import { language, strings, t } from '../js/strings.js';
import { byId, make, translate } from '../js/views/dom.js';
import { parseHex, randomName } from './bytes.js';
import { explain } from './codes.js';
import { LogView } from './log.js';

const STATES = ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'];
/** How often the numbers that no event tells of are looked at. */
const LOOK_MS = 100;

/** Commands of the chat, ready to be sent or changed. */
const templates = {
  hello: () => ({ type: 'hello', name: `Console-${randomName().slice(0, 4)}` }),
  join: () => ({ type: 'join', room: 'lobby' }),
  message: () => ({ type: 'message', room: 'lobby', cid: randomName(), text: 'Hello' }),
  ping: () => ({ type: 'ping', n: 1 }),
};

Object.assign(strings, (await import(`./languages/${language}.js`)).default);
document.documentElement.lang = language;
translate();
document.title = `${t('console')} · Veche`;

const log = new LogView();
let socket = null;

const state = Object.fromEntries(['readyState', 'bufferedAmount', 'protocol', 'extensions'].map(name => {
  const value = make('dd', {}, make('code'));
  byId('state').append(make('dt', {}, make('code', {}, name)), value);
  return [name, value.firstChild];
}));

byId('address').value = new URL('../ws', location.href.replace(/^http/, 'ws')).href;
for (const [name, template] of Object.entries(templates)) {
  const fill = () => {
    byId('kind').querySelector('[value="text"]').checked = true;
    byId('payload').value = JSON.stringify(template());
    byId('payload').focus();
  };
  byId('templates').append(make('button', { type: 'button', className: 'chip', onclick: fill }, name));
}

byId('dial').onsubmit = attempt('dial-problem', () => {
  const address = byId('address').value.trim();
  const subprotocols = byId('subprotocols').value.split(',').map(name => name.trim()).filter(Boolean);
  dial(address, subprotocols);
});
byId('binary-type').onchange = () => {
  if (socket) socket.binaryType = chosen('binary-type');
};
byId('hang-up').onsubmit = attempt('hang-up-problem', () => {
  const code = byId('code').value.trim();
  const reason = byId('reason').value;
  if (code || reason) socket.close(code || undefined, reason);
  else socket.close();
  render();
});
byId('send').onsubmit = attempt('send-problem', () => {
  const payload = byId('payload').value;
  if (chosen('kind') === 'text') return send(payload);
  const bytes = parseHex(payload);
  if (!bytes) throw new Error(t('notHex'));
  send(bytes.buffer);
});
byId('payload').onkeydown = event => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) byId('send').requestSubmit();
};
byId('send-file').onclick = () => byId('file').click();
byId('file').onchange = attempt('send-problem', () => {
  const [file] = byId('file').files;
  byId('file').value = '';
  if (file) send(file);
});

setInterval(render, LOOK_MS);
render();

function dial(address, subprotocols) {
  const dialled = new WebSocket(address, subprotocols);
  socket = dialled;
  socket.binaryType = chosen('binary-type');
  socket.onopen = () => {
    const about = [['subprotocol', dialled.protocol], ['extensions', dialled.extensions]];
    log.add('open', [dialled.url], ...about.map(([key, name]) => make('p', {}, t(key, { name: name || t('none') }))));
    render();
  };
  socket.onmessage = ({ data }) => log.addPayload('message', data);
  socket.onerror = () => log.add('error', [dialled.url], make('p', {}, t('errorText')));
  socket.onclose = ({ code, reason, wasClean }) => {
    const { name, key } = explain(code);
    log.add('close', [`${code} ${name}`.trim(), t(wasClean ? 'clean' : 'unclean')],
      make('p', {}, t(key)),
      ...(reason ? [make('p', { dir: 'auto' }, t('withReason', { reason }))] : []));
    render();
  };
  render();
}

function send(data) {
  if (socket?.readyState !== WebSocket.OPEN) throw new Error(t('notOpen'));
  socket.send(data);
  log.addPayload('sent', data);
  render();
}

/** An event's listener that tells what went wrong where it was asked for. */
function attempt(problem, action) {
  return event => {
    event.preventDefault();
    byId(problem).textContent = '';
    try {
      action();
    } catch (error) {
      const isBrowsers = error instanceof DOMException;
      byId(problem).textContent = isBrowsers ? t('refused', { message: error.message }) : error.message;
    }
  };
}

/** Shows what the socket is now; only what has changed, for whoever selects or listens. */
function render() {
  const readyState = socket?.readyState ?? WebSocket.CLOSED;
  show(state.readyState, socket ? `${readyState} ${STATES[readyState]}` : '–');
  for (const name of ['bufferedAmount', 'protocol', 'extensions']) {
    show(state[name], socket ? String(socket[name]) || '""' : '–');
  }
  show(byId('light'), STATES[readyState]);
  byId('light').dataset.state = readyState;
  const isOver = readyState === WebSocket.CLOSED;
  if (byId('hang-up').hidden === isOver) return;
  const hadFocus = [byId('connect'), byId('disconnect')].includes(document.activeElement);
  byId('hang-up').hidden = isOver;
  byId('connect').hidden = !isOver;
  if (hadFocus) byId(isOver ? 'connect' : 'disconnect').focus();
}

function show(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function chosen(id) {
  return byId(id).querySelector(':checked').value;
}
