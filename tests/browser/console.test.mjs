// The console in a real browser, against the real program and against a server that only echoes.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import http from 'node:http';
import net from 'node:net';
import { before, beforeEach, describe, test } from 'node:test';
import { hexDump, parseHex } from '../../www/console/bytes.js';
import { explain } from '../../www/console/codes.js';
import english from '../../www/console/languages/en.js';
import russian from '../../www/console/languages/ru.js';
import { stage, until } from './harness.mjs';

describe('bytes and codes', () => {
  test('bytes are read from hexadecimal digits, and nothing else is', () => {
    assert.deepEqual([...parseHex('00 ff,0x56:65\n63')], [0, 255, 0x56, 0x65, 0x63]);
    assert.deepEqual([...parseHex('')], []);
    for (const text of ['0', '0 00', 'gg', 'hello']) assert.equal(parseHex(text), null, text);
  });

  test('bytes are shown sixteen to a line with the ASCII among them', () => {
    const dump = hexDump(Uint8Array.from([...Array(16).keys(), 0x56, 0x7f, 0xff]));
    assert.equal(dump,
      '00000000  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f  ................\n' +
      `00000010  56 7f ff${' '.repeat(41)}V..`);
  });

  test('every close code is explained in both languages', () => {
    for (let code = 0; code <= 5000; code += 1) {
      const { key } = explain(code);
      assert.ok(english[key] && russian[key], `${code}: ${key}`);
    }
    assert.deepEqual(explain(1006), { name: 'Abnormal Closure', key: 'code1006' });
    assert.deepEqual(explain(4001), { name: '', key: 'codesReturn' });
    assert.deepEqual(explain(4999), { name: '', key: 'codesFinal' });
  });

  test('both languages say the same things', () => {
    assert.deepEqual(Object.keys(russian).sort(), Object.keys(english).sort());
    for (const [key, string] of Object.entries(russian)) {
      if (typeof string === 'object') assert.deepEqual(Object.keys(string), ['one', 'few', 'other'], key);
      assert.equal(String(string.other ?? string).match(/\{\w+\}/)?.[0],
        String(english[key].other ?? english[key]).match(/\{\w+\}/)?.[0], key);
    }
  });
});

describe('console', () => {
  const scene = stage('--db', 'none');
  let echo;
  let ann;
  let page;

  before(async () => {
    echo = await startEcho();
  });

  beforeEach(async () => {
    ann = await scene.person();
    ({ page } = ann);
    // Other servers are what the console is for.
    page.removeAllListeners('websocket');
  });

  const line = text => page.locator('#log li', { hasText: text });
  const state = name => page.locator(`dt:has-text("${name}") + dd`);

  async function connect(address) {
    await ann.visit('console');
    await page.locator('.chip').first().waitFor();
    if (address) await page.fill('#address', address);
    await page.click('#connect');
  }

  async function sendTemplate(name) {
    await page.click(`.chip:text-is("${name}")`);
    await page.keyboard.press('Control+Enter');
  }

  async function hangUp(code, reason = '') {
    await page.fill('#code', code);
    await page.fill('#reason', reason);
    await page.click('#disconnect');
  }

  test('chat is spoken by templates, and every event is told', async () => {
    await connect();
    await line('Open').waitFor();
    assert.equal(await state('readyState').textContent(), '1 OPEN');
    assert.equal(await state('protocol').textContent(), 'veche.v1');
    assert.match(await state('extensions').textContent(), /^permessage-deflate|^""$/);
    assert.equal(await state('bufferedAmount').textContent(), '0');
    for (const [template, answer] of [['hello', 'welcome'], ['join', 'joined'], ['message', '"seq":1'], ['ping', 'pong']]) {
      await sendTemplate(template);
      await line(answer).first().waitFor();
    }
    assert.match(await line('"type":"ping"').textContent(), /Sent.*text.*21 bytes/);
    assert.ok(await page.evaluate(() => document.documentElement.scrollHeight <= innerHeight), 'fits the window');
    assert.match(await line('pong').textContent(), /Received.*text.*21 bytes/);
  });

  test('bytes go out from hex and files, and come in as a Blob or an ArrayBuffer', async () => {
    await connect(echo);
    await line('Open').waitFor();
    await page.click('#kind span:text-is("Bytes in hex")');
    await page.fill('#payload', '00 56 65 63 68 65 ff');
    await page.click('#send .primary');
    const dump = '00000000  00 56 65 63 68 65 ff';
    await line('Received').filter({ hasText: 'Blob' }).filter({ hasText: dump }).waitFor();
    await page.click('#binary-type span:text-is("arraybuffer")');
    await page.setInputFiles('#file', { name: 'a.bin', mimeType: 'image/png', buffer: Buffer.from([1, 2, 3]) });
    await line('Sent').filter({ hasText: 'File' }).filter({ hasText: '01 02 03' }).waitFor();
    await line('Received').filter({ hasText: 'ArrayBuffer' }).filter({ hasText: '01 02 03' }).waitFor();
    await page.fill('#payload', '0');
    await page.click('#send .primary');
    await page.locator('#send-problem', { hasText: 'Two hexadecimal digits' }).waitFor();
  });

  test('close is told with its code in words, its reason, and whether it was clean', async () => {
    await connect();
    await line('Open').waitFor();
    await hangUp('4012', 'enough');
    await line('4012 No pong').filter({ hasText: 'a ping was not answered' }).filter({ hasText: 'clean: both' }).waitFor();
    assert.ok(await page.locator('#connect').evaluate(button => button === document.activeElement), 'the focus stays');
    await page.click('#connect');
    await line('Open').nth(1).waitFor();
    await hangUp('');
    await line('1005 No Status Rcvd').waitFor();
    await page.click('#connect');
    await line('Open').nth(2).waitFor();
    await hangUp('1001');
    await page.locator('#hang-up-problem', { hasText: 'The browser refuses' }).waitFor();
    await scene.server.down('SIGTERM');
    await line('1012 Service Restart').filter({ hasText: 'Reason: retry_ms=' }).waitFor();
    assert.equal(await state('readyState').textContent(), '3 CLOSED');
  });

  test('lost connection is told to be not clean', async () => {
    await connect();
    await line('Open').waitFor();
    await scene.server.down('SIGKILL');
    await line('1006 Abnormal Closure').filter({ hasText: 'not clean' }).waitFor();
  });

  test('wrong address is told where it was typed or in the log', async () => {
    await connect('nowhere:at all');
    await page.locator('#dial-problem', { hasText: 'The browser refuses' }).waitFor();
    await page.fill('#address', 'ws://127.0.0.1:9/');
    await page.click('#connect');
    await line('Error').waitFor();
    await line('1006 Abnormal Closure').waitFor();
    await page.click('#send .primary');
    await page.locator('#send-problem', { hasText: 'Connect first.' }).waitFor();
  });

  test('log keeps the newest five hundred lines and can be cleared', async () => {
    await connect(echo);
    await line('Open').waitFor();
    await page.fill('#payload', '<b>one</b>');
    await page.evaluate(() => {
      for (let sent = 0; sent < 300; sent += 1) document.getElementById('send').requestSubmit();
    });
    await page.locator('#count', { hasText: 'the newest 500 lines' }).waitFor();
    await until(async () => assert.equal(await line('Received').count(), 300));
    assert.equal(await page.locator('#log li').count(), 500);
    assert.equal(await page.locator('#log b').count(), 0);
    const toGo = await page.locator('#scroller').evaluate(it => it.scrollHeight - it.scrollTop - it.clientHeight);
    assert.ok(toGo < 2, `the end is followed: ${toGo}`);
    await page.click('#clear');
    await page.locator('#quiet').waitFor();
    assert.equal(await page.locator('#log li').count(), 0);
  });

  test('console speaks Russian to those who do', async () => {
    const olelko = await scene.person({ locale: 'ru-RU' });
    await olelko.visit('console/');
    await olelko.page.locator('#connect', { hasText: 'Подключиться' }).waitFor();
    await olelko.page.click('#connect');
    await olelko.page.locator('#log li', { hasText: 'Открыто' }).waitFor();
    assert.equal(await olelko.page.title(), 'консоль · Veche');
    assert.equal(await olelko.page.locator('html').getAttribute('lang'), 'ru');
  });

  test('console is found under the path of a proxy, with and without the slash', async () => {
    const proxy = http.createServer((request, response) => {
      http.get(new URL(request.url.replace(/^\/chat\//, ''), scene.server.url), answer => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      });
    });
    await new Promise(resolve => proxy.listen(0, '127.0.0.1', resolve));
    proxy.unref();
    const { port } = proxy.address();
    const visitor = await scene.person({ url: `http://127.0.0.1:${port}/chat/` });
    for (const path of ['console', 'console/']) {
      await visitor.visit(path);
      await until(async () =>
        assert.equal(await visitor.page.inputValue('#address'), `ws://127.0.0.1:${port}/chat/ws`));
    }
  });

  test('console alone may connect elsewhere', async () => {
    const policy = async path =>
      /connect-src ([^;]*)/.exec((await fetch(scene.server.url + path)).headers.get('content-security-policy'))[1];
    assert.equal(await policy(''), "'self'");
    assert.equal(await policy('console/'), "'self' ws: wss:");
  });
});

/** A server that returns every short message as it came, and every Close; its address. */
async function startEcho() {
  const server = net.createServer(socket => {
    let rest = null;
    socket.unref();
    socket.on('error', () => {});
    socket.on('data', data => {
      if (!rest) {
        const [, key] = /^sec-websocket-key: *(\S+)/im.exec(data.toString('latin1'));
        const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
          `Sec-WebSocket-Protocol: veche.v1\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
        rest = Buffer.alloc(0);
        return;
      }
      rest = Buffer.concat([rest, data]);
      for (;;) {
        // RFC 6455 §5.2: two bytes, four of the masking key, and the payload.
        const length = rest[1] & 0x7f;
        if (rest.length < 6 + length) return;
        const payload = rest.subarray(6, 6 + length).map((byte, at) => byte ^ rest[2 + (at % 4)]);
        socket.write(Buffer.concat([Buffer.from([rest[0], length]), payload]));
        rest = rest.subarray(6 + length);
      }
    });
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  return `ws://127.0.0.1:${server.address().port}/`;
}
