// What the page looks like where there is little room, or much to show in it.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { launch, Person, startServer } from './harness.mjs';

let browser;
let server;
let people;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

beforeEach(async () => {
  people = [];
  server = await startServer('--db', 'none');
});

afterEach(async () => {
  try {
    for (const person of people) await person.leave();
  } finally {
    await server.stop();
  }
});

async function person(options = {}) {
  const one = await Person.at(browser, server.url, options);
  people.push(one);
  return one;
}

describe('messages', () => {
  test('emoji alone is large and takes a line, not a screen', async () => {
    const ann = await (await person()).enter('Ann');
    await ann.say('🔔');
    const { height } = await ann.page.locator('#log .text').boundingBox();
    assert.ok(height > 30 && height < 80, `${height} pixels`);
  });
});
