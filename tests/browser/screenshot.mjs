// Makes pictures of the page: `node screenshot.mjs [FOLDER]`. A few people use the real program,
// each in a theme and a size of their own; `readme.png` puts two of the pictures side by side.

import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { launch, Person, startServer, startWire } from './harness.mjs';

const WIDE = { width: 1120, height: 720 };
const PHONE = { width: 360, height: 720 };
const GAP = 40;

/** What a boy of Novgorod scratched into birch bark. */
const HORSE = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 -22 300 225" width="600" height="450">
  <rect y="-22" width="300" height="225" fill="#d8b487"/>
  <g stroke="#c39a69" stroke-width="2"><path d="M10 24h52M96 14h34M210 22h70M24 160h40M150 168h84M250 96h36M8 92h22"/></g>
  <g fill="none" stroke="#4a2f16" stroke-width="5" stroke-linecap="round" stroke-linejoin="round">
    <path d="M70 104q60-14 118 0l24-40 20-8 12 14-20 8-14 30q-8 14-26 16H84q-20-2-14-20zM70 106q-22 10-26 34"/>
    <path d="M88 124l-6 40M104 126v40M168 124l-4 42M184 122l8 42M216 58l-4-14"/>
    <circle cx="132" cy="34" r="15"/><path d="M132 50v50M132 62l-34-14-8-8M90 40l-10-4M132 62l40 4 52 10M132 98l-18 34M132 98l16 34M127 30v2M138 30v2M126 40q6 4 12 0"/>
    <path d="M176 66l64-44M240 22l-14 2"/>
  </g>
</svg>`;

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
  const shown = ({ page }) => page.waitForFunction(() => [...document.querySelectorAll('.tile img')].every(img => img.naturalWidth));
  await each(shown);
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
  await draw(onfim, 'plan.png', 'On my way. I drew a horse on the back of the **plan**, sorry.');
  await sadko.say('/me tunes his gusli');
  await sadko.say('Marfa, who rings first?');
  await marfa.type('The youngest. And it is `3` strokes, not `4`.');
  await sadko.page.locator('.entry code').last().waitFor();

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

async function draw(person, name, caption) {
  const page = await browser.newPage({ viewport: { width: 600, height: 450 } });
  await page.setContent(`<style>body { margin: 0 }</style>${HORSE}`);
  const buffer = await page.screenshot();
  await page.close();
  await person.page.setInputFiles('#files', { name, mimeType: 'image/png', buffer });
  await person.page.locator('#tray img').waitFor();
  await person.type(caption);
  await person.page.locator('.own.delivered .tile img[src]').waitFor();
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
