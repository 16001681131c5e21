// Files: chosen, pasted and dropped, sent once, shown or saved.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { stage, startServer, until } from './harness.mjs';

const LIMIT = 100_000;
const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };

const scene = stage('--db', 'none', '--max-file-bytes', `${LIMIT}`);
const { person, enter } = scene;

/** A picture of one colour; in noise it does not compress. */
async function picture({ page }, { width = 40, height = 30, type = 'image/png', noise = false } = {}) {
  return Buffer.from(await page.evaluate(async ({ width, height, type, noise }) => {
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    const pen = canvas.getContext('2d');
    const pixels = pen.createImageData(width, height);
    for (let index = 0; index < pixels.data.length; index += 1) {
      pixels.data[index] = index % 4 === 3 ? 255 : noise ? Math.random() * 255 : 128;
    }
    pen.putImageData(pixels, 0, 0);
    const blob = await new Promise(done => canvas.toBlob(done, type));
    return [...new Uint8Array(await blob.arrayBuffer())];
  }, { width, height, type, noise }));
}

const file = (name, buffer, mimeType = 'application/octet-stream') => ({ name, mimeType, buffer: Buffer.from(buffer) });

/** Chooses files, and waits until they are ready. */
async function choose({ page }, ...files) {
  await page.setInputFiles('#files', files);
  await until(async () => assert.equal((await page.locator('#tray').textContent()).includes('…'), false));
}

async function send(one, ...files) {
  const before = await one.page.locator('.own.delivered').count();
  await choose(one, ...files);
  await one.page.locator('#composer .primary').click();
  await one.counts('.own.delivered', before + files.length);
}

/** A paste or a drop, as the browser makes it. */
const transfer = ({ page }, type, name, bytes, media) => page.evaluate(([type, name, bytes, media]) => {
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(bytes)], name, { type: media }));
  const options = { bubbles: true, cancelable: true, clipboardData: data, dataTransfer: data };
  const target = document.getElementById(type === 'paste' ? 'text' : 'log');
  target.dispatchEvent(type === 'paste' ? new ClipboardEvent(type, options) : new DragEvent(type, options));
}, [type, name, [...bytes], media]);

const width = image => image.evaluate(element => element.naturalWidth);

describe('sending', () => {
  test('picture that is pasted is seen by everybody, with its caption', async () => {
    const ann = await enter('Ann');
    const bob = await enter('Bob');
    await transfer(ann, 'paste', 'sea.png', await picture(ann), 'image/png');
    await ann.page.locator('#tray img').waitFor();
    await ann.page.fill('#text', 'By the sea');
    await ann.page.keyboard.press('Enter');
    await bob.sees(['By the sea']);
    const image = bob.page.getByRole('img', { name: 'sea.png' });
    await until(async () => assert.equal(await width(image), 40));
    await ann.counts('.own.delivered', 1);
    await until(async () => assert.equal(await width(ann.page.getByRole('img', { name: 'sea.png' })), 40));
    assert.ok(await ann.page.locator('#tray').isHidden());
    await until(async () => assert.match(await bob.page.locator('#heard').textContent(), /sea\.png.*By the sea/));
  });

  test('picture is dropped anywhere over the room', async () => {
    const ann = await enter('Ann');
    const bytes = await picture(ann);
    await transfer(ann, 'dragover', 'a.png', bytes, 'image/png');
    assert.equal(await ann.page.locator('.room').getAttribute('data-drop'), 'Attach files');
    await transfer(ann, 'dragleave', 'a.png', bytes, 'image/png');
    assert.equal(await ann.page.locator('.room').getAttribute('data-drop'), null);
    await transfer(ann, 'drop', 'a.png', bytes, 'image/png');
    await ann.page.locator('#tray img').waitFor();
    await ann.page.keyboard.press('Enter');
    await ann.counts('.own.delivered .tile', 1);
  });

  test('several are picked, the caption is the first one’s, and one is taken out again', async () => {
    const ann = await enter('Ann');
    await choose(ann, file('one.txt', 'one'), file('two.txt', 'two'), file('three.txt', 'three'));
    await ann.page.getByRole('button', { name: 'Discard: two.txt' }).click();
    await ann.page.keyboard.type('Both');
    await ann.page.keyboard.press('Enter');
    await ann.type('After them');
    await ann.counts('.own.delivered', 3);
    const names = await ann.page.locator('.own .paper bdi').allTextContents();
    assert.deepEqual(names, ['one.txt', 'three.txt']);
    await ann.sees(['Both', 'After them']);
  });

  test('file of the exact limit goes, one byte more is refused in words', async () => {
    const ann = await enter('Ann');
    await send(ann, file('exact.bin', new Uint8Array(LIMIT)));
    // It is not read to find out that it is no picture: it may be larger than the memory.
    await ann.page.evaluate(() => (createImageBitmap = () => new Promise(() => {})));
    await choose(ann, file('more.bin', new Uint8Array(LIMIT + 1)));
    await ann.page.locator('#tray .problem', { hasText: 'Too large: 100 kB at most' }).waitFor();
    await ann.page.fill('#text', 'words');
    await ann.page.keyboard.press('Enter');
    assert.equal(await ann.page.inputValue('#text'), 'words');
    await ann.page.getByRole('button', { name: 'Discard: more.bin' }).click();
    await ann.page.keyboard.press('Enter');
    await ann.sees(['words']);
    await ann.counts('.file', 1);
  });

  test('picture over the limit is made smaller first', async () => {
    const ann = await enter('Ann');
    const large = await picture(ann, { width: 500, height: 400, noise: true });
    assert.ok(large.length > LIMIT);
    await choose(ann, file('noise.png', large, 'image/png'), file('not.png', new Uint8Array(LIMIT + 1), 'image/png'));
    await ann.page.locator('#tray .problem', { hasText: 'not.png' }).waitFor();
    await ann.page.getByRole('button', { name: 'Discard: not.png' }).click();
    await ann.page.keyboard.press('Enter');
    await ann.counts('.own.delivered', 1);
    const image = ann.page.getByRole('img', { name: 'noise.webp' });
    await until(async () => assert.ok((await width(image)) > 64));
  });

  test('what cannot be sent is told: an empty file, too many, one beside a command', async () => {
    const ann = await enter('Ann');
    await choose(ann, file('empty.txt', ''));
    await ann.page.locator('#tray .problem', { hasText: 'Empty' }).waitFor();
    await ann.page.getByRole('button', { name: 'Discard: empty.txt' }).click();
    await choose(ann, ...Array.from({ length: 50 }, (_, index) => file(`${index}.txt`, 'x')));
    await ann.page.locator('#tray .problem', { hasText: '10.txtNo more than 10 files' }).waitFor();
    await ann.page.getByRole('button', { name: 'Discard: 10.txt' }).click();
    await choose(ann, file('eleventh.txt', 'x'));
    await ann.page.locator('#tray .problem', { hasText: 'eleventh.txtNo more than 10 files' }).waitFor();
    await ann.page.getByRole('button', { name: 'Discard: eleventh.txt' }).click();
    await ann.type('/msg Bob secret');
    await ann.page.locator('#composer-hint.problem').waitFor();
    assert.equal(await ann.page.inputValue('#text'), '/msg Bob secret');
    await ann.counts('.own', 0);
  });

  test('server that takes no files is offered none', async () => {
    await scene.server.stop();
    scene.server = await startServer('--db', 'none', '--max-file-bytes', '0');
    const ann = await enter('Ann');
    assert.ok(await ann.page.locator('#attach').isHidden());
    for (const type of ['paste', 'dragover', 'drop']) await transfer(ann, type, 'a.txt', [1], 'text/plain');
    await ann.say('words');
    assert.equal(await ann.page.locator('.room').getAttribute('data-drop'), null);
    await ann.counts('#tray li', 0);
  });

  test('keyboard alone sends and saves', async () => {
    const ann = await enter('Ann');
    await ann.page.focus('#text');
    await ann.page.keyboard.press('Shift+Tab');
    const chooser = ann.page.waitForEvent('filechooser');
    await ann.page.keyboard.press('Enter');
    await (await chooser).setFiles([file('plain.txt', 'plain')]);
    await ann.page.locator('#tray', { hasText: 'plain.txt' }).waitFor();
    await ann.page.keyboard.press('Enter');
    await ann.counts('.own.delivered', 1);
    await ann.page.getByRole('button', { name: 'Download' }).focus();
    const download = ann.page.waitForEvent('download');
    await ann.page.keyboard.press('Enter');
    assert.equal((await download).suggestedFilename(), 'plain.txt');
  });
});

describe('a network that fails', () => {
  test('file on its way shows how far it is, is sent again after a cut, and is there once', async () => {
    const ann = await enter('Ann');
    const bob = await person({ url: scene.wire.url });
    // What has not left yet, as a slow line would have it.
    await bob.page.addInitScript(() => {
      window.unsent = 75_000;
      Object.defineProperty(WebSocket.prototype, 'bufferedAmount', { get: () => window.unsent });
    });
    await bob.enter('Bob');
    scene.wire.deafen();
    await choose(bob, file('slow.bin', new Uint8Array(LIMIT)));
    await bob.page.keyboard.press('Enter');
    const bar = bob.page.getByRole('progressbar', { name: 'Sending' });
    await until(async () => assert.equal(await bar.evaluate(({ value, max }) => value / max), 0.25));
    await bob.page.evaluate(() => (window.unsent = 0));
    await until(async () => assert.equal(await bar.evaluate(({ value, max }) => value / max), 1));
    await bob.type('After it');
    await ann.counts('.paper', 1);
    scene.wire.cut();
    await bob.disconnected();
    scene.wire.mend();
    await bob.counts('.own.delivered', 2);
    await bob.counts('progress', 0);
    await ann.sees(['After it']);
    await ann.counts('.paper', 1);
    await bob.counts('.paper', 1);
  });

  test('file that was not sent before a reload asks to be chosen again', async () => {
    const bob = await enter('Bob', { url: scene.wire.url });
    scene.wire.cut();
    await bob.disconnected();
    await choose(bob, file('lost.png', await picture(bob), 'image/png'));
    await bob.page.keyboard.press('Enter');
    await bob.counts('.own.pending', 1);
    await bob.page.reload();
    await bob.page.locator('.own.failed', { hasText: 'choose it again' }).waitFor();
    await bob.counts('.failed button', 1);
    await bob.page.getByRole('button', { name: 'Discard' }).click();
    await bob.counts('.own', 0);
  });
});

describe('receiving', () => {
  test('file is saved under its name, and hostile names are text', async () => {
    const ann = await enter('Ann');
    const bob = await enter('Bob');
    const names = ['<img src=x onerror=alert(1)>.txt', `"'&amp;${'long'.repeat(40)}.pdf`, '..'];
    for (const name of names) await send(ann, file(name, 'content', 'text/html'));
    await bob.counts('.paper', 3);
    assert.equal(await bob.page.locator('.paper bdi').first().textContent(), names[0]);
    assert.equal(await bob.page.locator('#log :is(img, script, iframe, object, embed)').count(), 0);
    assert.ok(await bob.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    for (const button of await bob.page.getByRole('button', { name: 'Download' }).all()) {
      const download = bob.page.waitForEvent('download');
      await button.click();
      assert.equal(await readFile(await (await download).path(), 'utf8'), 'content');
    }
  });

  test('SVG and HTML are never shown, whatever they are called', async () => {
    const ann = await enter('Ann');
    const bob = await enter('Bob');
    const svg = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>';
    const files = [file('a.svg', svg, 'image/svg+xml'), file('b.png', svg, 'image/svg+xml'), file('c.html', '<h1>x</h1>', 'text/html')];
    await choose(ann, ...files);
    await ann.counts('#tray li', 3);
    await ann.counts('#tray img', 0);
    await ann.page.keyboard.press('Enter');
    await ann.counts('.own.delivered', 3);
    await send(ann, file('d.png', svg, 'image/png'));
    for (const { page } of [ann, bob]) {
      await until(async () => assert.equal(await page.locator('.paper').count(), 4));
      assert.equal(await page.locator('#log img').count(), 0);
    }
  });

  test('picture that does not decode is a file like any other', async () => {
    const ann = await enter('Ann');
    const bob = await enter('Bob');
    await send(ann, file('broken.png', Buffer.concat([(await picture(ann)).subarray(0, 20), Buffer.from('no')]), 'image/png'));
    await bob.page.locator('.tile .paper', { hasText: 'broken.png' }).waitFor();
    await bob.page.getByRole('button', { name: 'Download' }).waitFor();
  });

  test('pictures are fetched near the view, keep their place, and are revoked with their room', async () => {
    const ann = await enter('Ann');
    const bytes = await picture(ann, { width: 800, height: 600 });
    for (let n = 0; n < 3; n += 1) await send(ann, ...[1, 2, 3, 4].map(m => file(`${n}-${m}.png`, bytes, 'image/png')));
    const bob = await person();
    await bob.page.addInitScript(() => {
      window.urls = new Set();
      const { createObjectURL, revokeObjectURL } = URL;
      URL.createObjectURL = blob => {
        const url = createObjectURL(blob);
        window.urls.add(url);
        return url;
      };
      URL.revokeObjectURL = url => {
        window.urls.delete(url);
        revokeObjectURL(url);
      };
    });
    await bob.enter('Bob');
    const last = bob.page.getByRole('img', { name: '2-4.png' });
    await until(async () => assert.equal(await width(last), 800));
    const { height } = await bob.page.locator('.tile').last().boundingBox();
    assert.equal(height, 240);
    assert.equal((await bob.page.locator('.tile').first().boundingBox()).height, 240);
    const first = bob.page.locator('.tile img').first();
    assert.equal(await first.getAttribute('src'), null);
    await bob.page.locator('#scroller').evaluate(element => element.scrollTo(0, 0));
    await until(async () => assert.equal(await width(first), 800));
    assert.ok((await bob.page.evaluate(() => window.urls.size)) > 0);
    await bob.visit('#elsewhere');
    await until(async () => assert.equal(await bob.page.evaluate(() => window.urls.size), 0));
    await bob.visit('#lobby');
    await until(async () => assert.equal(await width(last), 800));
  });

  test('picture is enlarged, and Escape goes back to it', async () => {
    const ann = await enter('Ann');
    await send(ann, file('a.png', await picture(ann), 'image/png'));
    const button = ann.page.getByRole('button', { name: 'a.png' });
    await button.focus();
    await ann.page.keyboard.press('Enter');
    const dialog = ann.page.getByRole('dialog', { name: 'a.png' });
    await dialog.getByRole('button', { name: 'Close' }).waitFor();
    await until(async () => assert.equal(await width(dialog.getByRole('img')), 40));
    await ann.page.keyboard.press('Escape');
    await ann.counts('dialog.zoomed', 0);
    assert.ok(await button.evaluate(element => element === document.activeElement));
    await button.click();
    await dialog.click();
    await ann.counts('dialog.zoomed', 0);
  });

  test('what is kept no longer is told', async () => {
    await scene.server.stop();
    scene.server = await startServer('--db', 'none', '--max-file-bytes', `${LIMIT}`, '--keep-files', `${LIMIT}`);
    const ann = await enter('Ann');
    for (const name of ['old.bin', 'new.bin']) await send(ann, file(name, new Uint8Array(LIMIT)));
    await ann.page.getByRole('button', { name: 'Download' }).first().click();
    await ann.page.locator('.paper', { hasText: 'old.bin' }).getByText('the file is no longer kept').waitFor();
  });

  test('phone shows tray and files within its width', async () => {
    const ann = await enter('Ann', PHONE);
    const bytes = await picture(ann, { width: 800, height: 100 });
    await send(ann, file('wide.png', bytes, 'image/png'), file(`${'long'.repeat(30)}.pdf`, 'x'));
    await choose(ann, file('wide.png', bytes, 'image/png'), file(`${'long'.repeat(30)}.pdf`, 'x'), file('more.bin', new Uint8Array(LIMIT + 1)));
    assert.ok(await ann.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    for (const part of await ann.page.locator('#tray li, #tray button, .file, #composer, #attach').all()) {
      const { x, width } = await part.boundingBox();
      assert.ok(x >= 0 && x + width <= 360, await part.evaluate(element => element.outerHTML));
    }
    const { height } = await ann.page.locator('#composer').boundingBox();
    assert.ok(height > 50);
  });

  test('page says it in Russian too', async () => {
    const ann = await enter('Ann', { locale: 'ru-RU' });
    await choose(ann, file('a.bin', new Uint8Array(LIMIT + 1)));
    await ann.page.locator('#tray', { hasText: 'Слишком большой: можно до 100 кБ' }).waitFor();
  });
});
