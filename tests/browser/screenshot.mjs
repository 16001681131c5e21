// Makes the pictures of the page: `node screenshot.mjs OUTPUT.png`. A few people hold a short
// conversation with the real program; the wide page in the light theme and a phone in the dark
// one are put side by side.

import { writeFile } from 'node:fs/promises';
import { launch, Person, startServer } from './harness.mjs';

const WIDE = { width: 1120, height: 720 };
const PHONE = { width: 360, height: 720 };
const GAP = 40;

const output = process.argv[2];
if (!output) {
  console.error('usage: node screenshot.mjs OUTPUT.png');
  process.exit(2);
}

const server = await startServer();
const browser = await launch();
try {
  const [wide, phone] = await conversation();
  const pictures = await Promise.all([wide, phone].map(person => person.page.screenshot()));
  await writeFile(output, await sideBySide(pictures));
} finally {
  await browser.close();
  await server.stop();
}

async function conversation() {
  const at = (name, path, options) =>
    Person.at(browser, server.url, { deviceScaleFactor: 2, ...options }).then(person => person.enter(name, path));
  const marfa = await at('Marfa', '#lobby', { viewport: WIDE, colorScheme: 'light' });
  const onfim = await at('Onfim', '#lobby', { viewport: PHONE, colorScheme: 'dark', hasTouch: true, isMobile: true });
  const sadko = await at('Sadko');
  const olelko = await at('Олелько');

  await marfa.say('Morning! The new bell hangs in the tower.');
  await marfa.say('First ring at noon, come to the square.');
  await olelko.say('Слышно будет даже за мостом. Хороший голос!');
  await onfim.say('On my way. I drew a horse on the back of the plan, sorry.');
  await sadko.say('/me tunes his gusli');
  await sadko.say('Two questions before noon:\n1. who rings first?\n2. do we keep the minutes here?');
  await marfa.say('The youngest rings. And yes: here it stays in order, and nothing is said twice.');

  // A second room with something unread, and somebody about to speak.
  await marfa.visit('#wharf');
  await marfa.connected();
  await marfa.visit('#lobby');
  await sadko.visit('#wharf');
  await sadko.connected();
  await sadko.say('Three ships from Lübeck.');
  await sadko.say('Wax and cloth.');
  await sadko.visit('#lobby');
  await onfim.say('The youngest is me. See you there!');
  await olelko.page.locator('#text').pressSequentially('Иду');
  await marfa.page.locator('#typing', { hasText: 'Олелько' }).waitFor();
  await marfa.page.locator('#rooms .badge', { hasText: '2' }).waitFor();
  return [marfa, onfim];
}

/** One picture of two, drawn by the browser on a page of its own. */
async function sideBySide(pictures) {
  const height = WIDE.height + 2 * GAP;
  const width = WIDE.width + PHONE.width + 3 * GAP;
  const context = await browser.newContext({ viewport: { width, height }, deviceScaleFactor: 2 });
  const page = await context.newPage();
  await page.setContent(`<style>
    body { display: flex; gap: ${GAP}px; margin: 0; padding: ${GAP}px; }
    img { height: ${WIDE.height}px; border-radius: 12px; box-shadow: 0 0 0 1px #0001, 0 12px 32px #2b1e0a26; }
  </style>${pictures.map(picture => `<img src="data:image/png;base64,${picture.toString('base64')}">`).join('')}`);
  return page.screenshot({ omitBackground: true });
}
