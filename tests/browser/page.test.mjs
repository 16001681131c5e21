// The page in a real browser against the real program.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { numbered, stage, until } from './harness.mjs';

const scene = stage();
const { person, enter } = scene;

describe('talking', () => {
  test('two pages chat and see the same in the same order', async () => {
    const ann = await enter('Ann');
    const bob = await enter('Bob');
    await ann.say('Hello');
    await bob.say('Hello yourself');
    await ann.say('How is the weather?');
    const all = ['Hello', 'Hello yourself', 'How is the weather?'];
    await ann.sees(all);
    await bob.sees(all);
    await ann.counts('.own.delivered', 2);
    await bob.counts('.own.delivered', 1);
    await ann.counts('.pending, .failed', 0);
  });

  test('members and arrivals are shown, typing too', async () => {
    const ann = await enter('Ann');
    const bob = await enter('Bob');
    await ann.page.locator('#members', { hasText: 'Bob' }).waitFor();
    await ann.page.locator('.presence', { hasText: 'Bob' }).waitFor({ state: 'attached' });
    await bob.page.locator('#text').pressSequentially('Hm');
    await ann.page.locator('#typing', { hasText: 'Bob is typing' }).waitFor();
    await bob.page.keyboard.press('Enter');
    await until(async () => assert.equal(await ann.page.locator('#typing').textContent(), ''));
  });

  test('name that is taken gets a suggestion that is free', async () => {
    await enter('Ann');
    const other = await person();
    await other.visit();
    await other.page.fill('#name', 'ann');
    await other.page.keyboard.press('Enter');
    await other.page.locator('#name-problem', { hasText: 'taken' }).waitFor();
    const suggestion = await other.page.inputValue('#name');
    assert.notEqual(suggestion.toLowerCase(), 'ann');
    await other.page.keyboard.press('Enter');
    await other.connected();
    assert.match(await other.page.locator('#me').textContent(), new RegExp(`${suggestion}$`));
  });

  test('name and session outlive a reload', async () => {
    const ann = await enter('Ann');
    await ann.say('Before');
    await ann.page.reload();
    await ann.connected();
    await ann.say('After');
    await ann.sees(['Before', 'After']);
    await ann.counts('.own.delivered', 2);
  });

  test('commands are answered quietly, private messages reach one person', async () => {
    const ann = await enter('Ann');
    const bob = await enter('Bob');
    const eve = await enter('Eve');
    await ann.type('/who');
    await ann.page.locator('.notice', { hasText: 'Eve' }).waitFor();
    await ann.type('/msg Bob between us');
    await bob.page.locator('.direct', { hasText: 'between us' }).waitFor();
    await ann.page.locator('.direct', { hasText: 'between us' }).waitFor();
    await ann.type('/me waves');
    await eve.page.locator('.action', { hasText: 'Ann waves' }).waitFor();
    await eve.sees(['Ann waves']);
  });

  test('private message begins in an empty composer and leaves a draft alone', async () => {
    const ann = await enter('Ann');
    for (const name of ['Bob', 'Eve']) await enter(name);
    const text = ann.page.locator('#text');
    const click = name => ann.page.locator('#members button', { hasText: name }).click();
    await click('Bob');
    await click('Eve');
    assert.equal(await text.inputValue(), '/msg Eve ');
    await text.fill('/msg Eve a long thought');
    await click('Bob');
    assert.equal(await text.inputValue(), '/msg Eve a long thought');
    assert.ok(await text.evaluate(element => element === document.activeElement));
  });

  test('rooms are switched by the address and keep what is said in them', async () => {
    const ann = await (await person()).enter('Ann', '#garden');
    const bob = await enter('Bob');
    await ann.say('Among trees');
    await bob.visit('#garden');
    await bob.sees(['Among trees']);
    await bob.visit('#lobby');
    await bob.sees([]);
    await ann.say('Still here');
    await bob.page.locator('#rooms a', { hasText: 'garden' }).locator('.badge', { hasText: '1' }).waitFor();
    await until(async () => assert.match(await bob.page.title(), /^\(1\) #lobby/));
    await bob.page.goBack();
    await bob.sees(['Among trees', 'Still here']);
    await bob.counts('#rooms .badge', 0);
  });
});

describe('safety', () => {
  test('markup in names, messages and rooms is text', async () => {
    const name = '<img src=x onerror=alert(1)>';
    const texts = ['<script>alert(1)</script>', '<b>bold</b> &amp; <svg/onload=alert(1)>', 'javascript:alert(1)'];
    const ann = await enter(name);
    const bob = await enter('Bob');
    for (const text of texts) await ann.say(text);
    await bob.sees(texts);
    await bob.page.locator('.author', { hasText: name }).first().waitFor();
    for (const { page } of [ann, bob]) {
      assert.equal(await page.locator('#log :is(img, script, b, svg, a)').count(), 0);
      assert.equal(await page.locator('#members :is(img, script)').count(), 0);
    }
  });

  test('links lead out without telling where from', async () => {
    const ann = await enter('Ann');
    await ann.say('See https://example.org/a_(b), now.');
    const link = ann.page.locator('#log a');
    assert.equal(await link.getAttribute('href'), 'https://example.org/a_(b)');
    assert.equal(await link.getAttribute('rel'), 'noopener noreferrer');
  });

  test('page is served under a strict policy', async () => {
    const policy = (await fetch(scene.server.url)).headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /unsafe|\*/);
  });
});

describe('reading', () => {
  test('older history comes in above without moving what is read', async () => {
    const ann = await enter('Ann');
    await ann.crowd('lobby', numbered(1, 150));
    const bob = await enter('Bob');
    await bob.page.locator('.entry', { hasText: 'message 150' }).waitFor();
    assert.equal((await bob.texts())[0], 'message 51');
    const moved = await bob.page.evaluate(async () => {
      const scroller = document.getElementById('scroller');
      const [first] = document.querySelectorAll('#log .entry');
      scroller.scrollTop = first.offsetTop - scroller.offsetTop;
      const before = first.getBoundingClientRect().top;
      const more = () => document.querySelectorAll('#log .entry').length > 100;
      while (!more()) await new Promise(requestAnimationFrame);
      return Math.abs(first.getBoundingClientRect().top - before);
    });
    assert.ok(moved < 2, `moved by ${moved} px`);
    await bob.sees(numbered(1, 150));
  });

  test('new messages below are counted and do not move the page', async () => {
    const ann = await enter('Ann');
    await ann.crowd('lobby', numbered(1, 60));
    const bob = await enter('Bob');
    await bob.page.locator('.entry', { hasText: 'message 60' }).waitFor();
    const scroller = bob.page.locator('#scroller');
    await scroller.evaluate(element => element.scrollTo(0, 200));
    await bob.page.locator('#pill:not(.primary)').waitFor();
    await ann.say('One');
    await ann.say('Two');
    await bob.page.locator('#pill', { hasText: '2 new messages' }).waitFor();
    assert.equal(await scroller.evaluate(element => element.scrollTop), 200);
    await bob.page.click('#pill');
    await bob.page.locator('.entry', { hasText: 'Two' }).waitFor();
    await bob.page.locator('#pill').waitFor({ state: 'hidden' });
    await ann.say('Three');
    await until(async () => {
      const toGo = await scroller.evaluate(it => it.scrollHeight - it.scrollTop - it.clientHeight);
      assert.ok(toGo < 2, 'follows the end again');
    });
  });
});

describe('everybody', () => {
  test('keyboard alone is enough', async () => {
    const ann = await person();
    await ann.visit();
    const { keyboard } = ann.page;
    const focused = () => ann.page.evaluate(() => document.activeElement.id);
    await until(async () => assert.equal(await focused(), 'name'));
    await keyboard.type('Ann');
    await keyboard.press('Enter');
    await ann.connected();
    await until(async () => assert.equal(await focused(), 'text'));
    await keyboard.type('one');
    await keyboard.press('Shift+Enter');
    await keyboard.type('two');
    await keyboard.press('Enter');
    await ann.sees(['one\ntwo']);
    const seen = new Set();
    for (let step = 0; step < 30; step += 1) {
      await keyboard.press('Tab');
      seen.add(await focused());
    }
    for (const id of ['text', 'new-room', 'me', 'scroller']) assert.ok(seen.has(id), `${id} is reachable`);
    await ann.page.focus('#new-room');
    await keyboard.type('Garden Party');
    await keyboard.press('Enter');
    await ann.page.locator('#room-title', { hasText: 'garden-party' }).waitFor();
    assert.equal(new URL(ann.page.url()).hash, '#garden-party');
  });

  test('only what is new is announced', async () => {
    const ann = await enter('Ann');
    await ann.say('Old');
    const bob = await enter('Bob');
    await bob.sees(['Old']);
    await ann.say('New');
    const heard = bob.page.locator('[role="log"]');
    await until(async () => assert.equal(await heard.textContent(), 'Ann: New'));
  });

  test('phone shows rooms in a drawer and never hides the composer', async () => {
    const ann = await enter('Ann', { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
    await ann.say('A message that is '.repeat(30).trim());
    assert.ok(await ann.page.locator('#sidebar').isHidden());
    await ann.page.tap('[popovertarget="sidebar"]');
    await ann.page.locator('#rooms a').waitFor();
    await ann.page.keyboard.press('Escape');
    await ann.page.locator('#sidebar').waitFor({ state: 'hidden' });
    const box = await ann.page.locator('#composer').boundingBox();
    assert.ok(box.y + box.height <= 844, 'composer is in view');
    assert.ok(await ann.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing overflows');
  });

  test('empty room fits a phone however long its name is', async () => {
    const ann = await enter('Ann', { viewport: { width: 390, height: 844 } });
    for (const room of ['площадь', 'ж'.repeat(64), 'x'.repeat(64)]) {
      await ann.visit(`#${encodeURIComponent(room)}`);
      await ann.page.locator('.empty h2', { hasText: room }).waitFor();
      for (const part of await ann.page.locator('.empty h2, .empty p, .empty button').all()) {
        const { x, width } = await part.boundingBox();
        assert.ok(x >= 0 && x + width <= 390, `${await part.evaluate(e => e.outerHTML)} at ${x}, ${width} wide`);
      }
    }
  });

  test('page speaks Russian to those who do', async () => {
    const ann = await person({ locale: 'ru-RU' });
    await ann.visit();
    assert.equal(await ann.page.locator('html').getAttribute('lang'), 'ru');
    await ann.page.locator('#enter', { hasText: 'Войти' }).waitFor();
  });
});
