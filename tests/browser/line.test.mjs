// The state of the line, in words, whatever happens to it; and several tabs on lines of their own.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Person, stage, until } from './harness.mjs';

const scene = stage('--db', 'none');

/** Everybody's line can be cut. */
const person = options => scene.person({ url: scene.wire.url, ...options });
const enter = name => scene.enter(name, { url: scene.wire.url });

/** From now on the server's side of every line is closed so, until `answer` says otherwise. */
async function answered({ page }) {
  const answer = { close: null, dials: 0 };
  await page.routeWebSocket('**/ws', socket => {
    answer.dials += 1;
    if (answer.close) return socket.close(answer.close);
    answer.socket = socket;
    socket.connectToServer();
  });
  return answer;
}

const state = ({ page }) => page.locator('#connection-text');

describe('a line', () => {
  test('that a device without network has lost is said to be, and is back with the network', async () => {
    const ann = await enter('Ann');
    scene.wire.deafen();
    await ann.page.context().setOffline(true);
    await ann.page.locator('#connection-text', { hasText: 'You are offline.' }).waitFor();
    await ann.type('Typed offline');
    await ann.page.locator('.own.pending').waitFor();
    scene.wire.mend();
    await ann.page.context().setOffline(false);
    await ann.connected();
    await ann.page.locator('.own.delivered', { hasText: 'Typed offline' }).waitFor();
  });

  test('is dialled at once when somebody looks, or the network is back', async () => {
    const ann = await person();
    const answer = await answered(ann);
    await ann.enter('Ann');
    for (const wake of ['online', 'visibilitychange']) {
      answer.close = { code: 1012, reason: 'restart; retry_ms=600000' };
      await answer.socket.close(answer.close);
      await ann.disconnected();
      assert.match(await state(ann).textContent(), /Trying again in [\d,]+ seconds/);
      answer.close = null;
      await ann.page.evaluate(
        type => (type === 'online' ? window : document).dispatchEvent(new Event(type)), wake,
      );
      await ann.connected();
      await ann.page.locator('#connection').waitFor({ state: 'hidden' });
    }
  });

  test('that is closed for good says why, and dials only when told to', async () => {
    for (const [locale, words] of [['en-GB', /you were removed from the chat/], ['ru-RU', /вас удалили из чата/]]) {
      const ann = await person({ locale });
      const answer = await answered(ann);
      await ann.enter(`Ann ${locale}`);
      answer.close = { code: 4503, reason: 'kicked' };
      await answer.socket.close(answer.close);
      await ann.disconnected();
      assert.match(await state(ann).textContent(), words);
      assert.match(await ann.page.locator('#status').textContent(), words);
      // Nothing that would otherwise dial does.
      await ann.page.evaluate(() => {
        dispatchEvent(new Event('online'));
        document.dispatchEvent(new Event('visibilitychange'));
      });
      assert.equal(answer.dials, 1);
      answer.close = null;
      await ann.page.click('#connection-now');
      await ann.connected();
    }
  });

  test('that is slow says that it connects, and all is there in the end', async () => {
    const ann = await enter('Ann');
    await ann.say('Before');
    const bob = await person();
    const network = await bob.page.context().newCDPSession(bob.page);
    await network.send('Network.enable');
    await network.send('Network.emulateNetworkConditions', {
      offline: false, latency: 300, downloadThroughput: 50_000, uploadThroughput: 20_000,
    });
    let open;
    const gate = new Promise(resolve => (open = resolve));
    await bob.page.routeWebSocket('**/ws', async socket => {
      await gate;
      socket.connectToServer();
    });
    await bob.visit();
    await bob.page.fill('#name', 'Bob');
    await bob.page.keyboard.press('Enter');
    await bob.page.locator('#enter button', { hasText: 'Entering…' }).waitFor();
    await bob.page.locator('#connection-text', { hasText: 'Connecting…' }).waitFor();
    open();
    await bob.connected();
    await bob.sees(['Before']);
    await bob.say('After');
  });
});

describe('several tabs', () => {
  test('are one person: one member, one name, and no departure before the last', async () => {
    const ann = await enter('Ann');
    const bob = await enter('Bob');
    const tab = new Person(await bob.page.context().newPage(), scene.wire.url);
    await tab.visit();
    await tab.connected();
    await tab.counts('#members li', 2);
    await ann.counts('#members li', 2);
    await bob.say('From one tab');
    await tab.sees(['From one tab']);
    await tab.counts('.own.delivered', 1);
    await tab.say('From the other');
    await bob.page.fill('#text', 'A draft');
    assert.equal(await tab.page.inputValue('#text'), '');
    await bob.page.close();
    await tab.say('Still here');
    await ann.sees(['From one tab', 'From the other', 'Still here']);
    await ann.counts('#members li', 2);
    assert.equal(await ann.page.locator('#log .presence', { hasText: 'left' }).count(), 0);
    await tab.page.close();
    await ann.page.locator('#log .presence', { hasText: 'Bob left' }).waitFor();
    await ann.counts('#members li', 1);
  });
});

describe('typing', () => {
  test('is told while one types, and goes away by itself', async () => {
    const ann = await enter('Ann');
    const bob = await enter('Bob');
    const sent = [];
    // Nothing that is sent can be seen from outside; what the page hands to its socket can.
    await bob.page.exposeFunction('told', text => sent.push(text));
    await bob.page.evaluate(() => {
      const { send } = WebSocket.prototype;
      WebSocket.prototype.send = function (data) {
        if (String(data).includes('"typing"')) window.told(data);
        return send.call(this, data);
      };
    });
    await bob.page.locator('#text').pressSequentially('Hello everybody');
    await ann.page.locator('#typing', { hasText: 'Bob is typing…' }).waitFor();
    assert.equal(sent.length, 1);
    await until(async () => assert.equal(await ann.page.locator('#typing').textContent(), ''));
  });
});
