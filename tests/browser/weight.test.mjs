// What the page weighs on its way to a browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stage } from './harness.mjs';

const MOST_BYTES = 40_000;

const scene = stage('--db', 'none');

for (const locale of ['en-GB', 'ru-RU']) {
  test(`page in ${locale} weighs no more than ${MOST_BYTES} bytes, all of it compressed`, async t => {
    const person = await scene.person({ locale });
    const responses = [];
    person.page.on('response', response => responses.push(response));
    // Whatever is loaded on the way is of the page, too.
    await person.enter(`Ann ${locale}`);
    await person.say('Hello');
    await person.page.waitForLoadState('networkidle');
    let bytes = 0;
    for (const response of responses) {
      const { responseBodySize } = await response.request().sizes();
      assert.equal(response.status(), 200, response.url());
      assert.equal(response.headers()['content-encoding'], 'gzip', response.url());
      bytes += responseBodySize;
    }
    t.diagnostic(`${bytes} bytes in ${responses.length} files`);
    assert.ok(responses.length > 20, `${responses.length} files are seen`);
    assert.ok(bytes <= MOST_BYTES, `${bytes} bytes`);
    // No other host was asked: the stage sees to it.
  });
}
