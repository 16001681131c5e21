// What the page looks like where there is little room, or much to show in it.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { stage, until } from './harness.mjs';

const SMALL = { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true };
/** A window of 1280 by 800 whose reader has enlarged everything to twice its size. */
const ZOOMED = { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 };
const LONG = 'W'.repeat(32);

const { person, enter } = stage('--db', 'none');

/** Goes into so many rooms, into the last of them at the end. */
async function visitRooms({ page }, count) {
  for (let number = 1; number <= count; number += 1) {
    await page.evaluate(room => (location.hash = room), `room-${number}`);
    await page.locator('#room-title', { hasText: `room-${number}` }).waitFor();
  }
}

/** Whether all of an element is in the window and nothing lies over its middle. */
const isInView = locator =>
  locator.evaluate(element => {
    const { x, y, width, height, right, bottom } = element.getBoundingClientRect();
    const top = document.elementFromPoint(x + width / 2, y + height / 2);
    const fits = x >= 0 && y >= 0 && right <= innerWidth && bottom <= innerHeight;
    return fits && (element.contains(top) || Boolean(top?.contains(element)));
  });

async function assertInView({ page }, ...selectors) {
  for (const selector of selectors) {
    await until(async () => assert.ok(await isInView(page.locator(selector)), `${selector} is in view`));
  }
}

async function assertNothingOverflows({ page }) {
  const [needed, there] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(needed <= there, `${needed} of ${there} pixels`);
}

describe('messages', () => {
  test('emoji alone is large and takes a line, not a screen', async () => {
    const ann = await enter('Ann');
    await ann.say('🔔');
    const { height } = await ann.page.locator('#log .text').boundingBox();
    assert.ok(height > 30 && height < 80, `${height} pixels`);
  });
});

describe('many rooms', () => {
  test('what stands below the list stays in view, and so does the room one is in', async () => {
    const ann = await enter('Ann');
    await visitRooms(ann, 30);
    await assertInView(ann, '#new-room', '#me', '#open-settings', '#rooms [aria-current]');
    await ann.page.setViewportSize(SMALL.viewport);
    await ann.page.click('[popovertarget="sidebar"]');
    await assertInView(ann, '#new-room', '#me', '#open-settings');
    const list = ann.page.locator('#rooms');
    assert.ok(await list.evaluate(it => it.scrollHeight > it.clientHeight), 'list scrolls');
  });

  test('button to leave lies over nothing', async () => {
    const ann = await enter('Ann');
    await visitRooms(ann, 1);
    const bob = await enter('Bob');
    await bob.say('Ann, are you there?');
    const row = ann.page.locator('#rooms li', { has: ann.page.locator('[href="#lobby"]') });
    await row.locator('.mentions').waitFor();
    await row.hover();
    const leave = await row.locator('.leave').boundingBox();
    for (const part of await row.locator('.badge, .name').all()) {
      const { x, width } = await part.boundingBox();
      const isSeen = await part.evaluate(it => getComputedStyle(it).visibility === 'visible');
      assert.ok(!isSeen || x + width <= leave.x, `${await part.textContent()} ends before the button`);
    }
  });
});

describe('long names', () => {
  test('name of the room one is in ends before the button to leave, for a finger too', async () => {
    const room = 'x'.repeat(64);
    const ann = await enter('Ann', SMALL);
    await ann.visit(`#${room}`);
    await ann.page.tap('[popovertarget="sidebar"]');
    const row = ann.page.locator('#rooms li', { hasText: room });
    const { x, width } = await row.locator('.name').boundingBox();
    const leave = await row.locator('.leave').boundingBox();
    assert.ok(x + width <= leave.x, `${x + width} and ${leave.x}`);
  });

  test('pencil beside one’s own keeps its size', async () => {
    const ann = await enter(LONG);
    assert.equal((await ann.page.locator('#me svg').boundingBox()).width, 16);
  });

  test('name of a file to be sent keeps away from the edge', async () => {
    const ann = await enter('Ann', SMALL);
    const file = { name: `${LONG.repeat(4)}.txt`, mimeType: 'text/plain', buffer: Buffer.from('x') };
    await ann.page.setInputFiles('#files', file);
    const row = await ann.page.locator('#tray li').boundingBox();
    const name = await ann.page.locator('#tray bdi').boundingBox();
    assert.ok(name.y - row.y >= 8, `${name.y - row.y} pixels`);
  });

  test('link of an invitation is shown whole', async () => {
    const ann = await person({ ...SMALL, locale: 'ru-RU' });
    await ann.enter('Ann', '#a-room-with-a-name-of-its-own');
    for (const open of ['#empty', '#invite']) {
      if (open === '#invite') await ann.page.tap('#invite-button');
      const link = ann.page.locator(`${open} .invitation span`);
      const [needed, there] = await link.evaluate(it => [it.scrollWidth, it.clientWidth || Infinity]);
      assert.ok(needed <= there, `${open}: ${needed} of ${there} pixels`);
      await assertInView(ann, `${open} .invitation button`);
    }
  });

  test('Russian settings keep away from their labels', async () => {
    const ann = await enter('Ann', { ...SMALL, locale: 'ru-RU' });
    await ann.page.tap('[popovertarget="sidebar"]');
    await ann.page.tap('#open-settings');
    const gaps = await ann.page.locator('#choices label').evaluateAll(labels =>
      labels.map(label => {
        const words = document.createRange();
        words.selectNode(label.firstChild);
        return label.lastChild.getBoundingClientRect().left - words.getBoundingClientRect().right;
      }),
    );
    assert.equal(gaps.length, 4);
    assert.ok(gaps.every(gap => gap >= 8), `${gaps}`);
  });
});

describe('twice the size', () => {
  test('everything is there and nothing is cut off', async () => {
    const ann = await (await person(ZOOMED)).enter(LONG, '#empty');
    await assertInView(ann, '#empty-title', '#empty .invitation', '#text', '#light', '#people-button');
    await ann.page.click('#invite-button');
    await ann.page.locator('#qr svg').waitFor();
    await assertInView(ann, '#invite-title', '#qr', '#invite .invitation', '#invite .primary');
    await ann.page.keyboard.press('Escape');
    await ann.page.click('[popovertarget="sidebar"]');
    await assertInView(ann, '#new-room', '#me', '#open-settings');
    await ann.page.click('#open-settings');
    await assertInView(ann, '#choices', '#settings .primary');
    await ann.page.keyboard.press('Escape');
    await ann.page.keyboard.press('Escape');
    await ann.say('x'.repeat(300));
    await ann.say('https://example.org/' + 'y'.repeat(300));
    await assertNothingOverflows(ann);
    await assertInView(ann, '#text');
  });
});

describe('focus', () => {
  test('is seen on every control that the keyboard reaches', async () => {
    const ann = await enter('Ann');
    await visitRooms(ann, 2);
    await ann.say('See https://example.org/');
    const { page } = ann;
    const reached = new Set();
    for (let step = 0; step < 24; step += 1) {
      await page.keyboard.press('Tab');
      const { name, outline } = await page.evaluate(() => {
        const { activeElement: it } = document;
        const { outlineStyle, outlineWidth } = getComputedStyle(it);
        return { name: it.id || it.className || it.tagName, outline: outlineStyle === 'none' ? 0 : parseFloat(outlineWidth) };
      });
      reached.add(name);
      assert.ok(name === 'BODY' || outline >= 1, `${name} shows its focus`);
    }
    for (const id of ['new-room', 'me', 'open-settings', 'invite-button', 'scroller', 'attach', 'text']) {
      assert.ok(reached.has(id), `${id} is reached: ${[...reached]}`);
    }
  });
});

describe('motion', () => {
  for (const reducedMotion of ['reduce', 'no-preference']) {
    test(`there is ${reducedMotion === 'reduce' ? 'none' : 'some'} for who chose ${reducedMotion}`, async () => {
      const ann = await person({ ...SMALL, reducedMotion });
      await ann.visit();
      const isMoved = async selector =>
        assert.equal(await ann.page.locator(selector).evaluate(it => getComputedStyle(it).animationName !== 'none'), reducedMotion !== 'reduce');
      await isMoved('.welcome .bell');
      await ann.enter('Ann');
      await ann.page.tap('[popovertarget="sidebar"]');
      await isMoved('#sidebar');
      await ann.page.evaluate(() => (document.querySelector('#connection').dataset.phase = 'connecting'));
      await isMoved('#connection .bell');
    });
  }
});
