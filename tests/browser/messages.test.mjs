// Messages as they are shown: markup, emoji, times and colours of names.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stage } from './harness.mjs';

const { enter } = stage('--db', 'none');

test('markup is shown, and nothing in names, texts or links runs', async () => {
  const evil = '"><img src=x onerror=alert(1)>';
  const ann = await enter(evil);
  const bob = await enter('Bob');
  await ann.tells(bob, '**bold** *italic* `code` **https://example.org/x**');
  assert.deepEqual(
    await bob.page.locator('#log .text :is(strong, em, code, a)').evaluateAll(all => all.map(it => `${it.localName} ${it.textContent}`)),
    ['strong bold', 'em italic', 'code code', 'strong https://example.org/x', 'a https://example.org/x'],
  );
  const texts = [
    '```html\n<img src=x onerror=alert(1)>\n```',
    '`<img src=x onerror=alert(1)>`',
    '**<img src=x onerror=alert(1)>** *<script>alert(1)</script>*',
    'Bob <img src=x onerror=alert(1)> @Bob"><svg onload=alert(1)>',
    'javascript:alert(1) data:text/html,<script>alert(1)</script> JaVaScRiPt://x%0aalert(1)',
    'https://example.org/"onmouseover="alert(1) https://example.org/\'><img/src=x>',
    '/me <img src=x onerror=alert(1)>',
  ];
  for (const text of texts) await ann.tells(bob, text);
  await ann.type('/msg Bob <img src=x onerror=alert(1)> `<b>`');
  await bob.page.locator('.direct').waitFor();
  for (const { page } of [ann, bob]) {
    assert.equal(await page.locator(':is(#log, #members, #me, #rooms) :is(img, script, b:not(.author), [onerror], [onload], [onmouseover])').count(), 0);
    for (const link of await page.locator('#log a').all()) {
      assert.match(await link.getAttribute('href'), /^https:\/\/example\.org\//);
    }
  }
  assert.equal(await bob.page.locator('#log code.block').textContent(), '<img src=x onerror=alert(1)>');
  // Room names of an address are checked, too.
  await bob.visit(`#${encodeURIComponent(evil)}`);
  await bob.page.locator('#room-title', { hasText: /^lobby$/ }).waitFor();
});

test('three emoji alone are large, others are not', async () => {
  const ann = await enter('Ann');
  const bob = await enter('Bob');
  for (const text of ['🔔', '🔔 hm']) await ann.tells(bob, text);
  const [large, small] = await bob.page.locator('#log .text').evaluateAll(all => all.map(it => parseFloat(getComputedStyle(it).fontSize)));
  assert.ok(large >= 2 * small, `${large} and ${small}`);
});

test('time has the whole date, and each text its own direction', async () => {
  const ann = await enter('Ann', { timezoneId: 'Asia/Tokyo' });
  for (const text of ['hello', 'שלום']) await ann.say(text);
  const time = ann.page.locator('#log time').first();
  const { title, dateTime, textContent } = await time.evaluate(({ title, dateTime, textContent }) => ({ title, dateTime, textContent }));
  const at = options => new Intl.DateTimeFormat('en-GB', { timeZone: 'Asia/Tokyo', ...options }).format(new Date(dateTime));
  assert.equal(textContent, at({ hour: '2-digit', minute: '2-digit' }));
  assert.equal(title, at({ dateStyle: 'full', timeStyle: 'medium' }));
  const directions = await ann.page.locator('#log .text').evaluateAll(all => all.map(it => getComputedStyle(it).direction));
  assert.deepEqual(directions, ['ltr', 'rtl']);
});

for (const colorScheme of ['light', 'dark']) {
  test(`every colour of a name reads well in the ${colorScheme} theme`, async () => {
    const ann = await enter('Ann', { colorScheme });
    await ann.say('hello');
    const ratios = await ann.page.evaluate(() => {
      const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
      const luminance = colour => {
        pen.fillStyle = colour;
        pen.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...pen.getImageData(0, 0, 1, 1).data].map(it => it / 255).map(it => (it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const contrast = (one, other) => {
        const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
        return (light + 0.05) / (dark + 0.05);
      };
      const paper = getComputedStyle(document.querySelector('.room')).backgroundColor;
      const author = document.querySelector('#log .author');
      const seal = document.querySelector('#log .avatar');
      return Array.from({ length: 24 }, (_, index) => {
        for (const element of [author.closest('.hued'), seal]) element.style.setProperty('--hue', 15 * index);
        const { color, backgroundColor } = getComputedStyle(seal);
        return [contrast(getComputedStyle(author).color, paper), contrast(color, backgroundColor)];
      }).flat();
    });
    assert.ok(Math.min(...ratios) >= 4.5, `${Math.min(...ratios)}`);
  });
}
