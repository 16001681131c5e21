// The chat beside a site: what the site removes, closes and sends out, and members that it names by
// tokens.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { stage, until } from './harness.mjs';
import { asks, beside, token } from './site.mjs';

const PHONE = { viewport: { width: 390, height: 844 }, permissions: ['clipboard-read', 'clipboard-write'] };
const picture = {
  name: 'dot.png',
  mimeType: 'image/png',
  buffer: Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==', 'base64',
  ),
};

const stored = ({ page }) => page.evaluate(() => ({ local: { ...localStorage }, session: { ...sessionStorage } }));
const told = ({ page }, words) => page.locator('#connection-text', { hasText: words }).waitFor();

describe('a site', () => {
  const scene = stage('--db', 'none', ...beside);
  const { enter } = scene;

  test('removes a message for everybody who looks, with its picture', async () => {
    const [ann, bob] = [await enter('Ann'), await enter('Bob')];
    await ann.page.setInputFiles('#files', picture);
    await ann.type('Look, Bob');
    await bob.page.locator('.tile img[src]').waitFor();
    await ann.say('/me waves');
    await ann.say('Stays');
    await bob.sees(['Look, Bob', 'Ann waves', 'Stays']);
    await bob.page.click('.tile button');
    await bob.page.locator('.zoomed[open]').waitFor();
    for (const seq of [1, 2]) await asks(scene, 'DELETE', `rooms/lobby/messages/${seq}`);
    for (const person of [ann, bob]) {
      await person.sees(['Message removed', 'Message removed', 'Stays']);
      await person.counts('#log :is(.file, mark, .action)', 0);
    }
    await bob.counts('.zoomed', 0);
    assert.doesNotMatch(await bob.page.locator('#heard').textContent(), /Look|waves/);
    await bob.page.reload();
    await bob.sees(['Message removed', 'Message removed', 'Stays']);
    const { page } = await enter('Олелько', { locale: 'ru-RU' });
    await page.locator('.removed', { hasText: 'Сообщение удалено' }).first().waitFor();
  });

  test('closes a room, and whoever writes there opens it anew', async () => {
    const [ann, bob] = [await enter('Ann'), await enter('Bob')];
    await ann.say('Before');
    await asks(scene, 'DELETE', 'rooms/lobby');
    for (const { page } of [ann, bob]) await page.locator('.notice', { hasText: 'closed' }).waitFor();
    await ann.counts('#members li', 0);
    assert.deepEqual((await asks(scene, 'GET', 'rooms')).rooms, []);
    await ann.say('After');
    await ann.sees(['Before', 'After']);
    assert.deepEqual((await asks(scene, 'GET', 'rooms')).rooms, [{ room: 'lobby', count: 1 }]);
    await bob.say('Here too');
    await bob.sees(['Before', 'After', 'Here too']);
  });

  test('sends somebody out, who comes back only when they choose to', async () => {
    const [english, russian] = [['en-GB', 'you were removed', 'Connect again'], ['ru-RU', 'вас удалили', 'Подключиться снова']];
    for (const [locale, words, button] of [english, russian]) {
      const one = await enter(locale, { locale });
      const { members } = await asks(scene, 'GET', 'rooms/lobby');
      await asks(scene, 'DELETE', `members/${members.find(({ name }) => name === locale).id}`);
      await told(one, words);
      await one.page.getByRole('button', { name: button }).click();
      await one.connected();
    }
  });
});

describe('a member of a site', () => {
  const { person, enter } = stage('--db', 'none', ...beside);
  const martha = (more, seconds) => token({ sub: '7', name: 'Martha', role: 'editor', ...more }, seconds);

  async function come(token, room = '', more) {
    const one = await (await person(more)).visit(`#${room}${room && '&'}token=${token}`);
    await one.connected();
    return one;
  }

  test('comes by the address, which gives the token away to nobody', async () => {
    const given = martha();
    const room = encodeURIComponent('новгородское-вече');
    const one = await come(given, room, PHONE);
    const { page, url } = one;
    assert.equal(page.url(), `${url}#${room}`);
    assert.equal(await page.evaluate(() => history.length), 2, 'the blank page and this one');
    await page.click('#invite-button');
    await page.locator('#qr path').waitFor();
    await page.click('#invite .invitation button');
    await page.locator('#invite .invitation button', { hasText: 'Copied' }).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `${url}#${room}`);
    await page.keyboard.press('Escape');
    assert.doesNotMatch(await page.content(), new RegExp(given));
    const { local, session } = await stored(one);
    assert.equal(JSON.parse(session['veche.token']), given);
    assert.deepEqual(Object.keys(local).filter(key => /name|session|token/.test(key)), []);
    await page.reload();
    await one.connected();
    await one.say('Still me');
    assert.equal(await page.locator('.author').textContent(), 'Martha');
    assert.equal(page.url(), `${url}#${room}`);
  });

  test('has the name and the role that the site gives, and cannot change them', async () => {
    const one = await come(martha({ role: '<i>editor</i>' }));
    const bob = await enter('Bob');
    const shown = bob.page.locator('#members button', { hasText: 'Martha' });
    await until(async () => assert.equal(await shown.locator('.role').textContent(), '<i>editor</i>'));
    assert.equal(await one.page.locator('#room-title').textContent(), 'lobby');
    await one.page.locator('#me', { hasText: 'Martha' }).waitFor();
    assert.ok(await one.page.locator('#me').isDisabled());
    await one.counts('#me svg', 0);
    await one.type('/name Eve');
    await one.page.locator('.notice', { hasText: 'your account' }).waitFor();
    assert.ok(await bob.page.locator('#me').isEnabled());
  });

  test('is whom a new token names, and no longer the guest, who stays one elsewhere', async () => {
    const guest = await enter('Ann');
    const before = (await stored(guest)).local;
    await guest.visit(`#garden&token=${martha()}`);
    await guest.page.locator('#me', { hasText: 'Martha' }).waitFor();
    await guest.page.locator('#room-title', { hasText: 'garden' }).waitFor();
    await guest.connected();
    assert.equal(guest.page.url(), `${guest.url}#garden`);
    const { local } = await stored(guest);
    for (const key of ['veche.name', 'veche.session']) assert.equal(local[key], before[key]);
    await guest.visit(`#token=${token({ name: 'Sadko' })}`);
    await guest.page.locator('#me', { hasText: 'Sadko' }).waitFor();
    assert.equal(guest.page.url(), `${guest.url}#lobby`);
    const tab = await guest.page.context().newPage();
    await tab.goto(guest.url);
    await tab.locator('#light[data-phase="open"]').waitFor();
    assert.match(await tab.locator('#me').textContent(), /Ann$/);
  });

  test('whose token has expired is told to come from the site again', async () => {
    for (const [locale, words] of [['en-GB', 'open the chat from its site again'], ['ru-RU', 'войдите в чат заново с сайта']]) {
      const one = await come(martha({}, 4), '', { locale });
      await told(one, `${words} (the token has expired)`);
      assert.ok(await one.page.locator('#connection-now').isHidden());
      await one.page.reload();
      await told(one, words);
      await one.visit(`#token=${martha()}`);
      await one.connected();
      await one.page.locator('#connection').waitFor({ state: 'hidden' });
    }
  });
});

describe('a chat for members alone', () => {
  const { person } = stage('--db', 'none', ...beside, '--require-token');

  test('tells a guest where to come from', async () => {
    const guest = await (await person()).visit();
    await guest.page.fill('#name', 'Ann');
    await guest.page.keyboard.press('Enter');
    await told(guest, 'open the chat from its site again (a token of the site is needed)');
    await guest.page.locator('#enter .primary', { hasText: /^Enter$/ }).waitFor();
    await guest.visit(`#token=${token({ name: 'Martha' })}`);
    await guest.connected();
    await guest.page.locator('#welcome').waitFor({ state: 'hidden' });
  });
});
