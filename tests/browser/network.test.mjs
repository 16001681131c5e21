// What is said and missed while the network or the server is away.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { numbered, stage, until } from './harness.mjs';

const scene = stage();
const { enter } = scene;

/** Ann, and Bob, who has lost his line after Ann has said this. */
async function cutOff(said = []) {
  const ann = await enter('Ann');
  const bob = await enter('Bob', { url: scene.wire.url });
  for (const text of said) await ann.say(text);
  await bob.sees(said);
  scene.wire.cut();
  await bob.disconnected();
  return { ann, bob };
}

test('page that was cut off recovers exactly what it missed and says so once', async () => {
  const { ann, bob } = await cutOff(['Before']);
  await ann.say('Missed 1');
  await ann.say('Missed 2');
  assert.deepEqual(await bob.texts(), ['Before']);
  scene.wire.mend();
  await bob.sees(['Before', 'Missed 1', 'Missed 2']);
  assert.deepEqual(await bob.page.locator('.recovered').allTextContents(), ['2 messages recovered']);
  assert.equal(await bob.page.locator('#status').textContent(), '2 messages recovered');
  assert.ok(await bob.page.locator('#connection').isHidden());
});

test('a gap longer than one answer is filled', async () => {
  const { ann, bob } = await cutOff(['Before']);
  await ann.crowd('lobby', numbered(1, 230));
  scene.wire.mend();
  await bob.sees(['Before', ...numbered(1, 230)]);
  await bob.page.locator('.recovered', { hasText: '230 messages recovered' }).waitFor({ state: 'attached' });
  await bob.counts('.gap', 0);
});

test('what is typed while cut off arrives once, after the return', async () => {
  const { ann, bob } = await cutOff();
  await bob.type('First');
  await bob.type('Second');
  await bob.counts('.own.pending', 2);
  scene.wire.mend();
  await ann.sees(['First', 'Second']);
  await bob.sees(['First', 'Second']);
  await bob.counts('.own.delivered', 2);
});

test('what is typed while cut off outlives a reload', async () => {
  const { ann, bob } = await cutOff();
  await bob.type('First');
  await bob.type('Second');
  await bob.page.reload();
  await bob.disconnected();
  await bob.sees(['First', 'Second']);
  await bob.counts('.own.pending', 2);
  scene.wire.mend();
  await ann.sees(['First', 'Second']);
  await bob.sees(['First', 'Second']);
  await bob.counts('.own.delivered', 2);
});

test('new name that is asked for while cut off is taken after the return', async () => {
  const bob = await enter('Bob', { url: scene.wire.url });
  await bob.page.click('#me');
  scene.wire.cut();
  await bob.disconnected();
  await bob.page.fill('#new-name', 'Bea');
  await bob.page.keyboard.press('Enter');
  scene.wire.mend();
  await bob.page.locator('#me', { hasText: 'Bea' }).waitFor();
  await bob.page.locator('#rename').waitFor({ state: 'hidden' });
});

for (const signal of ['SIGTERM', 'SIGKILL']) {
  test(`what is typed while the server is down after ${signal} arrives once`, async () => {
    const ann = await enter('Ann');
    const bob = await enter('Bob');
    await bob.say('Before');
    await scene.server.down(signal);
    await ann.disconnected();
    await bob.disconnected();
    await bob.type('First');
    await bob.type('Second');
    await bob.counts('.own.pending', 2);
    await scene.server.up();
    // Whoever is still waiting for the next try makes it now.
    const tryNow = button => button.hidden || button.click();
    for (const { page } of [ann, bob]) await page.locator('#connection-now').evaluate(tryNow);
    await ann.sees(['Before', 'First', 'Second']);
    await bob.sees(['Before', 'First', 'Second']);
    await bob.counts('.own.delivered', 3);
  });
}

test('what is typed while the server is down outlives a reload', async () => {
  const bob = await enter('Bob');
  await bob.say('Before');
  await scene.server.down('SIGKILL');
  await bob.disconnected();
  await bob.type('First');
  await bob.type('Second');
  // There is nobody to serve it.
  await assert.rejects(bob.page.reload());
  await scene.server.up();
  // The browser may still be busy with telling that there was nobody.
  await until(() => bob.visit());
  await bob.sees(['Before', 'First', 'Second']);
  await bob.counts('.own.delivered', 3);
  await bob.page.reload();
  await bob.sees(['Before', 'First', 'Second']);
  const cat = await enter('Cat');
  await cat.sees(['Before', 'First', 'Second']);
});

test('message whose answer was lost is sent again and posted once', async () => {
  const ann = await enter('Ann');
  const bob = await enter('Bob', { url: scene.wire.url });
  scene.wire.deafen();
  await bob.type('Said once');
  await ann.sees(['Said once']);
  await bob.counts('.own.pending', 1);
  scene.wire.cut();
  await bob.disconnected();
  scene.wire.mend();
  await bob.page.locator('.own.delivered', { hasText: 'Said once' }).waitFor();
  await ann.say('Yes');
  await ann.sees(['Said once', 'Yes']);
  await bob.sees(['Said once', 'Yes']);
});

test('waiting page comes back at once when told to', async () => {
  const bob = await enter('Bob', { url: scene.wire.url });
  scene.wire.cut();
  await bob.page.locator('#connection[data-phase="waiting"] #connection-now').waitFor();
  scene.wire.mend();
  // The wait may end by itself just before the click; either way the page is back.
  await bob.page.locator('#connection-now').click({ timeout: 2000 }).catch(() => {});
  await bob.connected();
});
