// Writing with the keyboard: recalling what was sent, completing names and commands.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { stage, until } from './harness.mjs';

const scene = stage('--db', 'none');

/** Somebody at the composer: `press` keys and see what is written then. */
async function atComposer(name, options) {
  const one = await scene.enter(name, options);
  const field = one.page.locator('#text');
  const press = async (...keys) => {
    for (const key of keys) await one.page.keyboard.press(key);
    return field.inputValue();
  };
  const write = text => one.page.keyboard.type(text);
  const isFocused = () => field.evaluate(element => element === document.activeElement);
  await field.focus();
  return { one, page: one.page, field, press, write, isFocused };
}

describe('draft', () => {
  test('a room of any name begins with none, and keeps its own', async () => {
    const { one, page, write } = await atComposer('Ann');
    for (const room of ['constructor', '__proto__', 'lobby']) {
      await one.visit(`#${room}`);
      await page.locator('#room-title', { hasText: room }).waitFor();
      assert.equal(await page.inputValue('#text'), '');
      await page.focus('#text');
      await write(`to ${room}`);
    }
    await one.visit('#__proto__');
    await page.locator('#room-title', { hasText: '__proto__' }).waitFor();
    assert.equal(await page.inputValue('#text'), 'to __proto__');
  });
});

describe('recall', () => {
  test('arrows walk through what was sent, and typing leaves', async () => {
    const { one, press, write } = await atComposer('Ann');
    for (const text of ['first', 'second', 'third']) await one.say(text);
    assert.equal(await press('ArrowUp'), 'third');
    assert.equal(await press('ArrowUp', 'ArrowUp', 'ArrowUp'), 'first');
    assert.equal(await press('ArrowDown'), 'second');
    assert.equal(await press('ArrowDown', 'ArrowDown'), '');
    assert.equal(await press('ArrowUp', 'Escape'), '');
    assert.equal(await press('ArrowUp'), 'third');
    await write('!');
    assert.equal(await press('ArrowUp'), 'third!');
    await press('Enter');
    await one.sees(['first', 'second', 'third', 'third!']);
  });

  test('what is being written stays, and lines are walked first', async () => {
    const { one, press, write } = await atComposer('Ann');
    await one.say('first');
    await one.say('above\nbelow');
    await write('draft');
    assert.equal(await press('ArrowUp'), 'draft');
    await press('ControlOrMeta+A', 'Delete');
    assert.equal(await press('ArrowUp'), 'above\nbelow');
    assert.equal(await press('ArrowUp'), 'above\nbelow');
    assert.equal(await press('ArrowUp'), 'first');
  });

  test('it outlives a reload, in this tab alone', async () => {
    const { one, page, field, press } = await atComposer('Ann');
    await one.say('before');
    await page.reload();
    await one.connected();
    await field.focus();
    assert.equal(await press('ArrowUp'), 'before');
    const tab = await page.context().newPage();
    await tab.goto(scene.server.url);
    await tab.locator('.entry', { hasText: 'before' }).waitFor();
    await tab.locator('#text').press('ArrowUp');
    assert.equal(await tab.locator('#text').inputValue(), '');
  });
});

describe('completion', () => {
  async function crowded(options) {
    const it = await atComposer('Ann', options);
    await it.page.evaluate(names => names.forEach(name => {
      const socket = new WebSocket(new URL('ws', location.href.replace(/^http/, 'ws')), 'veche.v1');
      const send = message => socket.send(JSON.stringify(message));
      socket.onopen = () => send({ type: 'hello', name });
      socket.onmessage = ({ data }) => JSON.parse(data).type === 'welcome' && send({ type: 'join', room: 'lobby' });
    }), ['Bob', 'Bert Brecht', 'Zoë']);
    await it.page.locator('#members li').nth(3).waitFor();
    await it.field.focus();
    return it;
  }

  test('Tab completes a name, as fits its place', async () => {
    const { press, write } = await crowded();
    await write('zo');
    assert.equal(await press('Tab'), 'Zoë: ');
    await write('and bo');
    assert.equal(await press('Tab'), 'Zoë: and Bob ');
    await write('with @bert b');
    assert.equal(await press('Tab'), 'Zoë: and Bob with @Bert Brecht ');
  });

  test('Tab again goes round, Shift+Tab back, and Escape lets Tab move on', async () => {
    const { page, press, write, isFocused } = await crowded();
    await write('b');
    assert.equal(await press('Tab'), 'Bert Brecht: ');
    assert.equal(await press('Tab'), 'Bob: ');
    assert.equal(await press('Tab'), 'Bert Brecht: ');
    assert.equal(await press('Shift+Tab'), 'Bob: ');
    assert.equal(await page.locator('#suggestions [aria-selected="true"]').textContent(), 'Bob');
    assert.equal(await press('Escape'), 'Bob: ');
    assert.ok(await page.locator('#suggestions').isHidden());
    assert.ok(await isFocused());
    await press('Tab');
    assert.ok(!(await isFocused()));
  });

  test('caret that was moved begins anew', async () => {
    const { press, write } = await crowded();
    await write('b');
    await press('Tab');
    assert.equal(await press('Home', 'Tab'), 'Bert Brecht: ');
  });

  test('private message quotes a name with blanks', async () => {
    const { one, page, press, write } = await crowded();
    await write('/msg ber');
    assert.equal(await press('Tab'), '/msg "Bert Brecht" ');
    await write('psst');
    await press('Enter');
    await page.locator('.direct.delivered', { hasText: 'psst' }).waitFor();
    await one.sees(['psst']);
  });

  test('Russian names are followed by a comma', async () => {
    const { press, write } = await crowded({ locale: 'ru-RU' });
    await write('zo');
    assert.equal(await press('Tab'), 'Zoë, ');
  });

  test('nothing to complete moves the focus', async () => {
    const { field, press, write, isFocused } = await crowded();
    await press('Tab');
    assert.ok(!(await isFocused()));
    await field.focus();
    await write('nobody');
    await press('Tab');
    assert.ok(!(await isFocused()));
    await field.focus();
    await press('Shift+Tab');
    assert.ok(!(await isFocused()));
  });
});

describe('commands', () => {
  test('a slash shows what there is, as the server says it', async () => {
    const { page, write, press } = await atComposer('Ann');
    await write('/');
    const options = page.getByRole('listbox').getByRole('option');
    await until(async () => assert.ok((await options.count()) > 5));
    assert.match(await options.filter({ hasText: '/msg NAME TEXT' }).textContent(), /one person alone/);
    await write('m');
    assert.equal(await options.count(), 2);
    assert.equal(await press('Escape'), '/m');
    assert.ok(await page.locator('#suggestions').isHidden());
    await write('e');
    await write(' waves');
    assert.ok(await page.locator('#suggestions').isHidden());
  });

  test('arrows choose, Enter takes, and Enter again sends', async () => {
    const { page, field, write, press } = await atComposer('Ann');
    await write('/w');
    assert.equal(await press('ArrowDown'), '/who ');
    await write('/');
    await page.locator('#text').fill('');
    await write('/');
    assert.equal(await press('ArrowDown', 'ArrowDown', 'ArrowUp', 'ArrowUp'), '/time ');
    const active = await field.getAttribute('aria-activedescendant');
    assert.match(await page.locator(`#${active}`).textContent(), /^\/time/);
    await press('Enter');
    assert.ok(await page.locator('#suggestions').isHidden());
    assert.equal(await press('Enter'), '');
    await page.locator('.notice').waitFor();
  });

  test('whole command is sent at once', async () => {
    const { page, write, press } = await atComposer('Ann');
    await write('/who');
    await page.getByRole('option').waitFor();
    assert.equal(await press('Enter'), '');
    await page.locator('.notice', { hasText: 'Ann' }).waitFor();
  });

  test('touch takes one and keeps the keyboard', async () => {
    const phone = { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true };
    const { page, field, write, isFocused } = await atComposer('Ann', phone);
    await write('/');
    const list = page.locator('#suggestions');
    const { x, y, width } = await list.boundingBox();
    assert.ok(x >= 0 && x + width <= 360 && y >= 0);
    await page.getByRole('option', { name: '/me' }).tap();
    assert.equal(await field.inputValue(), '/me ');
    assert.ok(await isFocused());
    assert.ok(await list.isHidden());
  });
});
