// Measures how soon the page is there: `node paint.mjs` prints the time to the first contentful
// paint and to fifty messages of history, of somebody who comes back with an empty cache.

import { launch, Person, startServer } from './harness.mjs';

const VISITS = 11;
const MESSAGES = 50;

const server = await startServer('--db', 'none');
const browser = await launch();
try {
  const ann = await (await Person.at(browser, server.url)).enter('Ann');
  await ann.crowd('lobby', Array.from({ length: MESSAGES }, (_, index) => `message ${index + 1}`));
  const storageState = await ann.page.context().storageState();
  await ann.leave();

  const paints = [];
  const histories = [];
  for (let visit = 0; visit < VISITS; visit += 1) {
    const person = await Person.at(browser, server.url, { storageState });
    await person.page.addInitScript(most => {
      const look = () => {
        const count = document.querySelectorAll('#log .entry').length;
        if (count < most) return requestAnimationFrame(look);
        globalThis.historyShown = performance.now();
      };
      look();
    }, MESSAGES);
    await person.visit();
    await person.page.waitForFunction(() => globalThis.historyShown);
    histories.push(await person.page.evaluate(() => globalThis.historyShown));
    paints.push(await person.page.evaluate(() =>
      performance.getEntriesByName('first-contentful-paint')[0].startTime));
    await person.leave();
  }
  console.log(`first contentful paint       ${median(paints)} ms (median of ${VISITS})`);
  console.log(`${MESSAGES} messages of history       ${median(histories)} ms`);
} finally {
  await browser.close();
  await server.stop();
}

function median(numbers) {
  return Math.round(numbers.sort((a, b) => a - b)[(numbers.length - 1) / 2]);
}
