// Makes pictures of the page: `node screenshot.mjs [FOLDER]`. A few people use the real program,
// each in a theme and a size of their own; `readme.png` puts two of the pictures side by side.

import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { launch, Person, startServer, startWire } from './harness.mjs';

const WIDE = { width: 1120, height: 720 };
const PHONE = { width: 360, height: 720 };
const GAP = 40;

const folder = process.argv[2] ?? 'pictures';
await mkdir(folder, { recursive: true });

const server = await startServer('--db', 'none');
const wire = await startWire(server.url);
const browser = await launch();
try {
  const [marfa, onfim, sadko, olelko] = await Promise.all([
    look('wide-light', { viewport: WIDE, colorScheme: 'light' }),
    look('phone-dark', { viewport: PHONE, colorScheme: 'dark', hasTouch: true, isMobile: true }),
    look('wide-dark', { viewport: WIDE, colorScheme: 'dark' }),
    look('phone-light', { viewport: PHONE, colorScheme: 'light', hasTouch: true, isMobile: true }),
  ]);
  const people = [marfa, onfim, sadko, olelko];
  const each = action => Promise.all(people.map(action));

  await each(async person => {
    await person.visit('#lobby');
    await person.page.locator('#name').waitFor();
    await picture(person, 'welcome');
  });
  const names = ['Marfa', 'Onfim', 'Sadko', 'Олелько'];
  await each((person, at) => person.enter(names[at]));

  await converse(marfa, onfim, sadko, olelko);
  const rooms = await each(person => picture(person, 'room'));
  await writeFile(path.join(folder, 'readme.png'), await sideBySide(rooms.slice(0, 2)));

  wire.cut();
  await each(async person => {
    await person.disconnected();
    await picture(person, 'reconnecting');
  });
  wire.mend();
  await each(person => person.connected());

  // Rooms of their own: nobody has come in who would be told of.
  const places = ['mill', 'orchard', 'smithy', 'bridge'];
  await each(async (person, at) => {
    await person.visit(`#${places[at]}`);
    await person.page.locator('#empty h2', { hasText: places[at] }).waitFor();
    await picture(person, 'empty');
  });

  await each(async person => {
    await person.visit('console/');
    await person.page.click('#connect');
    for (const [template, answer] of [['hello', 'welcome'], ['join', 'joined'], ['ping', 'pong']]) {
      await person.page.click(`.chip:text-is("${template}")`);
      await person.page.keyboard.press('Control+Enter');
      await person.page.locator('#log .message', { hasText: answer }).first().waitFor();
    }
    await picture(person, 'console', { fullPage: true });
  });
} finally {
  await browser.close();
  wire.stop();
  await server.stop();
}

/** Somebody who looks at the page in a way of their own. */
async function look(way, options) {
  const person = await Person.at(browser, wire.url, { deviceScaleFactor: 2, ...options });
  return Object.assign(person, { way });
}

function picture({ page, way }, view, options) {
  return page.screenshot({ path: path.join(folder, `${view}-${way}.png`), ...options });
}

async function converse(marfa, onfim, sadko, olelko) {
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
