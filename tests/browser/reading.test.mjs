// What is unread, how one is called to it, and what a reader may choose.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { numbered, Person, stage, until } from './harness.mjs';

const scene = stage('--db', 'none');

/**
 * A person whose page can be turned away from, and whose notifications and strokes of the bell are
 * in `shown` and `strokes`.
 */
async function person(name, path = '', { permission = 'granted', ...options } = {}) {
  const one = await scene.person(options);
  await one.page.context().addInitScript(stub, permission);
  return name ? one.enter(name, path) : one;
}

function stub(answer) {
  let away = false;
  Object.defineProperty(document, 'hidden', { get: () => away });
  document.hasFocus = () => !away;
  Object.assign(window, {
    shown: [],
    strokes: 0,
    turnAway(to = true) {
      away = to;
      document.dispatchEvent(new Event('visibilitychange'));
      if (!to) dispatchEvent(new Event('focus'));
    },
    Notification: class {
      static permission = 'default';
      static requestPermission = async () => (this.permission = answer);
      constructor(title, options) {
        shown.push(Object.assign(this, { title, ...options }));
      }
      close() {
        this.closed = true;
      }
    },
    AudioContext: class {
      currentTime = 0;
      constructor() {
        strokes += 1;
      }
      createOscillator = () => ({ frequency: {}, connect: next => next, start() {}, stop() {} });
      createGain = () => ({
        gain: { setValueAtTime() {}, exponentialRampToValueAtTime() {} }, connect: next => next,
      });
      close() {}
    },
  });
}

const turnAway = ({ page }, to) => page.evaluate(away => turnAway(away), to);
const shown = ({ page }) => page.evaluate(() => shown.map(({ title, body, tag }) => `${tag}: ${title}: ${body}`));
const strokes = ({ page }) => page.evaluate(() => strokes);
const eventually = (look, expected) => until(async () => assert.deepEqual(await look(), expected));

/** Opens the settings, chooses, and closes them. */
async function choose({ page }, name, value) {
  await page.click('#open-settings');
  await page.selectOption(`#choices [name="${name}"]`, value);
  await page.click('#settings .primary');
  await page.locator('#settings').waitFor({ state: 'hidden' });
}

describe('unread', () => {
  test('own name is marked, counted in the room, the title and the icon', async () => {
    const ann = await person('Ann', '#garden');
    const bob = await person('Bob Stone', '#garden');
    await bob.visit('#lobby');
    await bob.connected();
    const icon = () => bob.page.locator('[rel=icon]').getAttribute('href');
    for (const text of ['Bobs', 'so @bob stone, come', 'hm']) await ann.say(text);
    const garden = bob.page.locator('#rooms a', { hasText: 'garden' });
    await eventually(() => garden.locator('.badge').allTextContents(), ['@1', '3']);
    assert.equal(await garden.locator('.mentions').getAttribute('aria-label'), '1 message to you');
    assert.match(await bob.page.title(), /^\(3\) #lobby/);
    await until(async () => assert.match(await icon(), /^data:image\/svg\+xml,.*circle/));
    await garden.click();
    await eventually(() => bob.page.locator('#log mark').allTextContents(), ['@bob stone']);
    const edge = bob.page.locator('.entry', { hasText: 'come' });
    assert.match(await edge.evaluate(it => getComputedStyle(it).boxShadow), /inset/);
    await bob.counts('#rooms .badge', 0);
    assert.match(await bob.page.title(), /^#garden/);
    assert.doesNotMatch(await icon(), /^data:/);
    assert.equal(await ann.page.locator('#log mark').count(), 0);
  });

  test('page that nobody looks at counts in its title and on its icon', async () => {
    const ann = await person('Ann');
    const bob = await person('Bob');
    await turnAway(bob);
    await ann.say('hello');
    await until(async () => assert.match(await bob.page.title(), /^\(1\)/));
    await turnAway(bob, false);
    await until(async () => assert.match(await bob.page.title(), /^#lobby/));
    assert.deepEqual(await bob.page.locator('.rule.unread').allTextContents(), ['New messages']);
    await bob.say('hi');
    await bob.counts('.rule.unread', 0);
  });

  test('who comes back begins where reading stopped, and nothing jumps', async () => {
    const ann = await person('Ann');
    const bob = await person('Bob');
    await ann.tells(bob, 'Before');
    await turnAway(bob);
    await ann.crowd('lobby', numbered(1, 60));
    await bob.counts('#log .entry', 61);
    const place = () => bob.page.evaluate(() => {
      const scroller = document.getElementById('scroller').getBoundingClientRect();
      return document.querySelector('.rule.unread').getBoundingClientRect().top - scroller.top;
    });
    const before = await place();
    assert.ok(before > 0 && before < 100, `${before} px below the top`);
    await turnAway(bob, false);
    await bob.page.locator('#pill', { hasText: '60 new messages' }).waitFor();
    assert.equal(await place(), before);
    await bob.page.click('#pill');
    await bob.page.locator('#pill').waitFor({ state: 'hidden' });
    assert.match(await bob.page.title(), /^#lobby/);
    await bob.visit('#garden');
    await bob.visit('#lobby');
    await bob.page.locator('.entry', { hasText: 'message 60' }).waitFor();
    await bob.counts('.rule.unread', 0);
    await bob.visit('#garden');
    await ann.crowd('lobby', numbered(61, 120));
    await bob.page.locator('#rooms .badge', { hasText: '60' }).waitFor();
    await bob.visit('#lobby');
    await bob.page.locator('#pill', { hasText: '60 new messages' }).waitFor();
    const opened = await place();
    assert.ok(opened > 0 && opened < 100, `${opened} px below the top`);
  });

  test('line stands in its place when older history comes in above', async () => {
    const ann = await person('Ann');
    const bob = await person('Bob');
    await ann.crowd('lobby', numbered(1, 20));
    await bob.page.locator('.entry', { hasText: 'message 20' }).waitFor();
    await bob.visit('#garden');
    await bob.connected();
    await bob.page.goto('about:blank');
    await ann.crowd('lobby', numbered(21, 150));
    await bob.visit('#lobby');
    await bob.page.locator('#pill', { hasText: 'new messages' }).waitFor();
    const moved = await bob.page.evaluate(async () => {
      const scroller = document.getElementById('scroller');
      // The very first may lose its author's name to the one that comes before it.
      const [, first] = document.querySelectorAll('#log .entry');
      const all = () => document.querySelectorAll('#log .entry').length === 150;
      if (all()) return 0;
      scroller.scrollTop = first.offsetTop - scroller.offsetTop;
      const before = first.getBoundingClientRect().top;
      while (!all()) await new Promise(requestAnimationFrame);
      return Math.abs(first.getBoundingClientRect().top - before);
    });
    assert.ok(moved < 2, `moved by ${moved} px`);
    const above = await bob.page.locator('.rule.unread').evaluate(it => it.previousElementSibling.textContent);
    assert.match(above, /message 20$/);
  });

  test('what comes in below while one reads above is counted by the pill', async () => {
    const ann = await person('Ann');
    await ann.crowd('lobby', numbered(1, 60));
    const bob = await person('Bob');
    await bob.page.locator('.entry', { hasText: 'message 60' }).waitFor();
    const scroller = bob.page.locator('#scroller');
    await scroller.evaluate(it => it.scrollTo(0, 200));
    await bob.page.locator('#pill:not(.primary)').waitFor();
    for (const n of [1, 2, 3]) await ann.say(`more ${n}`);
    await bob.page.locator('#pill', { hasText: /^3 new messages$/ }).waitFor();
    assert.equal(await scroller.evaluate(it => it.scrollTop), 200);
    await bob.counts('.rule.unread', 1);
    assert.match(await bob.page.locator('.rule.unread').evaluate(it => it.nextElementSibling.textContent), /more 1/);
  });
});

describe('settings', () => {
  test('theme is chosen for all tabs, and kept', async () => {
    const ann = await person('Ann', '', { colorScheme: 'light' });
    const other = await ann.page.context().newPage();
    await other.goto(scene.server.url);
    const look = page => page.evaluate(() => [
      getComputedStyle(document.documentElement).backgroundColor,
      [...document.querySelectorAll('[name=theme-color]')].filter(({ media }) => matchMedia(media).matches).map(({ content }) => content).join(),
    ]);
    const light = ['rgb(243, 238, 229)', '#f3eee5'];
    const dark = ['rgb(23, 20, 17)', '#171411'];
    assert.deepEqual(await look(ann.page), light);
    await choose(ann, 'theme', 'dark');
    for (const page of [ann.page, other]) await eventually(() => look(page), dark);
    // Before there is anything to see of the page.
    await ann.page.addInitScript(() => addEventListener('DOMContentLoaded', () => {
      window.first = getComputedStyle(document.documentElement).colorScheme;
    }));
    await ann.page.reload();
    await ann.connected();
    assert.equal(await ann.page.evaluate(() => first), 'dark');
    assert.deepEqual(await look(ann.page), dark);
    await ann.page.emulateMedia({ colorScheme: 'dark' });
    await choose(ann, 'theme', 'light');
    assert.deepEqual(await look(ann.page), light);
    await choose(ann, 'theme', '');
    assert.deepEqual(await look(ann.page), dark);
  });

  test('language is the browser’s until another is chosen, and nothing typed is lost', async () => {
    const ann = await person('Ann');
    await ann.page.fill('#text', 'a draft');
    await ann.page.click('#open-settings');
    assert.equal(await ann.page.inputValue('#choices [name="language"]'), 'en');
    await ann.page.selectOption('#choices [name="language"]', 'ru');
    await ann.page.locator('#people h2', { hasText: 'Люди' }).waitFor();
    await ann.connected();
    assert.equal(await ann.page.locator('html').getAttribute('lang'), 'ru');
    assert.equal(await ann.page.inputValue('#text'), 'a draft');
    await ann.page.click('#open-settings');
    assert.deepEqual(
      await ann.page.locator('#choices label').evaluateAll(all => all.map(it => `${it.firstChild.textContent}: ${it.control.selectedOptions[0].text}`)),
      ['Тема: Как в системе', 'Язык: Русский', 'Уведомления: Нет', 'Звук: Нет'],
    );
  });

  test('notifications come for messages to oneself, in one tab, while one looks elsewhere', async () => {
    const ann = await person('Ann');
    const bob = await person('Bob');
    const tab = new Person(await bob.page.context().newPage(), scene.server.url);
    await tab.visit();
    await tab.connected();
    await turnAway(tab);
    await turnAway(bob, false);
    await ann.say('Bob before');
    await choose(bob, 'notify', 'me');
    await tab.page.evaluate(() => Notification.requestPermission());
    await ann.tells(bob, 'Bob while looking');
    await turnAway(bob);
    for (const text of ['not to anybody', 'hey bob']) await ann.tells(bob, text);
    await ann.type('/msg Bob between us');
    const seen = ['lobby: Ann · #lobby: hey bob', 'lobby: Private, from Ann: between us'];
    await eventually(() => shown(bob), seen);
    await turnAway(bob, false);
    await bob.visit('#garden');
    await bob.connected();
    await turnAway(bob);
    await ann.say('Bob, where are you?');
    await eventually(() => shown(bob), [...seen, 'lobby: Ann · #lobby: Bob, where are you?']);
    await bob.page.evaluate(() => shown.at(-1).onclick({ target: shown.at(-1) }));
    await bob.page.locator('#room-title', { hasText: 'lobby' }).waitFor();
    assert.ok(await bob.page.evaluate(() => shown.at(-1).closed));
    assert.deepEqual(await shown(tab), []);
    assert.deepEqual(tab.problems, []);
  });

  test('all messages are notified of where that is chosen', async () => {
    const ann = await person('Ann');
    const bob = await person('Bob');
    await choose(bob, 'notify', 'all');
    await turnAway(bob);
    await ann.say('to nobody');
    await eventually(() => shown(bob), ['lobby: Ann · #lobby: to nobody']);
  });

  test('notifications that the browser denies are said to be, and not shown', async () => {
    const ann = await person('Ann');
    const bob = await person('Bob', '', { permission: 'denied' });
    await bob.page.click('#open-settings');
    await bob.page.selectOption('#choices [name="notify"]', 'all');
    await bob.page.locator('#notify-problem', { hasText: 'does not allow' }).waitFor();
    await bob.page.selectOption('#choices [name="notify"]', '');
    await eventually(() => bob.page.locator('#notify-problem').textContent(), '');
    await bob.page.selectOption('#choices [name="notify"]', 'all');
    await bob.page.keyboard.press('Escape');
    await turnAway(bob);
    await ann.say('Bob?');
    await until(async () => assert.match(await bob.page.title(), /^\(1\)/));
    assert.deepEqual(await shown(bob), []);
  });

  test('bell is heard while one looks elsewhere, if that is chosen', async () => {
    const ann = await person('Ann');
    const bob = await person('Bob');
    await turnAway(bob);
    await ann.tells(bob, 'Bob!');
    assert.equal(await strokes(bob), 0);
    await turnAway(bob, false);
    await choose(bob, 'sound', 'bell');
    assert.equal(await strokes(bob), 1, 'as a sample');
    await ann.tells(bob, 'Bob!');
    assert.equal(await strokes(bob), 1);
    await turnAway(bob);
    await ann.tells(bob, 'anything');
    await eventually(() => strokes(bob), 2);
  });

  test('browser’s own audio takes what the bell is made of', async () => {
    const ann = await scene.enter('Ann');
    await choose(ann, 'sound', 'bell');
  });

  test('settings are chosen by the keyboard alone, on a phone too', async () => {
    const ann = await person('Ann', '', { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true });
    await ann.page.tap('[popovertarget="sidebar"]');
    await ann.page.tap('#open-settings');
    const box = await ann.page.locator('#settings').boundingBox();
    assert.ok(box.x >= 0 && box.x + box.width <= 360, 'fits');
    const bob = await person('Bob');
    const { keyboard } = bob.page;
    await bob.page.focus('#open-settings');
    await keyboard.press('Enter');
    await keyboard.press('ArrowDown');
    await keyboard.press('ArrowDown');
    await until(async () => assert.equal(await bob.page.inputValue('#choices [name="theme"]'), 'dark'));
    await keyboard.press('Escape');
    await bob.page.locator('#settings').waitFor({ state: 'hidden' });
    assert.equal(await bob.page.evaluate(() => document.activeElement.id), 'open-settings');
  });
});
