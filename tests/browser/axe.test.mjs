// Every view, looked through by axe-core: in both themes, wide and on a phone.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { stage } from './harness.mjs';
import { asks, beside, token } from './site.mjs';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const WIDE = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

const picture = {
  name: 'dot.png',
  mimeType: 'image/png',
  buffer: Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==', 'base64',
  ),
};

const scene = stage('--db', 'none', ...beside);

for (const colorScheme of ['light', 'dark']) {
  for (const [size, screen] of [['wide', WIDE], ['on a phone', PHONE]]) {
    describe(`${colorScheme}, ${size}`, () => {
      const options = { ...screen, colorScheme };

      async function person(more) {
        const one = await scene.person({ ...options, ...more });
        // The page's policy forbids scripts that are not its own; the browser may add one.
        await one.page.addInitScript(axe);
        return one;
      }

      const entered = async more => (await person(more)).enter('Ann');

      test('first visit, and a name that is refused', async () => {
        const { page } = await (await person()).visit();
        await page.locator('#name').waitFor();
        await isFine(page);
        await page.click('#enter .primary');
        await page.locator('#name-problem', { hasText: 'choose a name' }).waitFor();
        await isFine(page);
      });

      test('empty room', async () => {
        const { page } = await entered();
        await page.locator('#empty').waitFor();
        await isFine(page);
      });

      test('room with messages of all kinds', async () => {
        const ann = await entered();
        const bob = await scene.enter('Bob');
        await ann.say('A link: https://example.org/ and two\nlines');
        await ann.say('Once more');
        await bob.say('/me waves');
        await bob.say('Plain');
        await ann.type('/who');
        await ann.page.locator('.notice').waitFor();
        await bob.type('/msg Ann between us');
        await ann.page.locator('.direct').waitFor();
        await bob.page.locator('#text').pressSequentially('Hm');
        await ann.page.locator('#typing', { hasText: 'typing' }).waitFor();
        await isFine(ann.page);
      });

      test('connection lost, with a message that waits', async () => {
        const ann = await entered({ url: scene.wire.url });
        scene.wire.cut();
        await ann.disconnected();
        await ann.type('Wait for me');
        await ann.page.locator('.pending').waitFor();
        await isFine(ann.page);
      });

      test('files, and messages with markup that name the reader', async () => {
        const ann = await entered();
        const bob = await scene.enter('Bob');
        await bob.page.setInputFiles('#files', [picture, { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('a') }]);
        await bob.type('Both');
        await bob.type(`Ann, **look** at *this*: \`code\` and\n\`\`\`\nmore\n\`\`\``);
        await bob.type('🔔');
        await ann.page.locator('.tile img[src]').waitFor();
        await ann.page.locator('.paper', { hasText: 'notes.txt' }).waitFor();
        await ann.page.locator('.entry', { hasText: '🔔' }).waitFor();
        await isFine(ann.page);
        await ann.page.click('.tile button');
        await ann.page.locator('.zoomed[open]').waitFor();
        await isFine(ann.page);
      });

      test('what is being written: commands to choose from, files and why one cannot go', async () => {
        const { page } = await entered();
        await page.locator('#text').pressSequentially('/');
        await page.locator('#suggestions li').first().waitFor();
        await page.keyboard.press('ArrowDown');
        await isFine(page);
        await page.fill('#text', '');
        const large = { name: 'large.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(1_000_001) };
        await page.setInputFiles('#files', [picture, large]);
        await page.locator('#tray .problem').waitFor();
        await page.locator('#tray img').waitFor();
        await isFine(page);
      });

      test('invitation and settings', async () => {
        const { page } = await entered();
        await page.click('#invite-button');
        await page.locator('#qr path').waitFor();
        await isFine(page);
        await page.keyboard.press('Escape');
        if (screen === PHONE) await page.tap('[popovertarget="sidebar"]');
        await page.click('#open-settings');
        await page.selectOption('[name=notify]', 'me');
        await page.locator('#notify-problem:not(:empty)').waitFor();
        await isFine(page);
      });

      test('member of a site, a message that was removed, and a token that has expired', async () => {
        const martha = token({ name: 'Martha', role: 'editor' }, 6);
        const one = await (await person()).visit(`#token=${martha}`);
        await one.say('Not for long');
        await asks(scene, 'DELETE', 'rooms/lobby/messages/1');
        await one.page.locator('.removed').waitFor();
        for (const drawer of screen === PHONE ? ['sidebar', 'people'] : []) {
          await one.page.tap(`[popovertarget="${drawer}"]`);
          await one.page.locator(`#${drawer}:popover-open`).waitFor();
          await isFine(one.page);
          await one.page.keyboard.press('Escape');
          await one.page.locator(`#${drawer}`).waitFor({ state: 'hidden' });
        }
        await one.disconnected();
        await isFine(one.page);
      });

      test('rename dialog', async () => {
        const { page } = await entered();
        if (screen === PHONE) await page.tap('[popovertarget="sidebar"]');
        await page.click('#me');
        await page.locator('#rename[open]').waitFor();
        await isFine(page);
      });

      test('console with a log', async () => {
        const { page } = await (await person()).visit('console/');
        await page.click('#connect');
        await page.locator('#log .open').waitFor();
        await page.click('.chip:text-is("ping")');
        await page.click('#send .primary');
        await page.locator('#log .message').waitFor();
        await page.click('#kind span:text-is("Bytes in hex")');
        await page.fill('#payload', 'x');
        await page.click('#send .primary');
        await page.locator('#send-problem', { hasText: 'hexadecimal' }).waitFor();
        await isFine(page);
        await page.click('#disconnect');
        await page.locator('#log .close').waitFor();
        await isFine(page);
      });

      if (screen !== PHONE) return;

      test('drawers of rooms and people', async () => {
        const { page } = await entered();
        for (const drawer of ['sidebar', 'people']) {
          await page.tap(`[popovertarget="${drawer}"]`);
          await page.locator(`#${drawer}:popover-open`).waitFor();
          await isFine(page);
          await page.keyboard.press('Escape');
          await page.locator(`#${drawer}`).waitFor({ state: 'hidden' });
        }
      });
    });
  }
}

async function isFine(page) {
  // A colour on its way is neither the one nor the other.
  await page.evaluate(() => Promise.all(document.getAnimations().map(animation => animation.finished.catch(() => {}))));
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const told = violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${help}\n  ${target}\n  ${failureSummary}`));
  assert.deepEqual(told, []);
}
