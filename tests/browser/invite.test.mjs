// The invitation to a room: its link, and the QR code that cameras read.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import jsQR from 'jsqr';
import { qrCode } from '../../www/js/models/qr.js';
import { stage } from './harness.mjs';

/** What a camera would read; `rows` are modules without the light around them. */
function read(rows) {
  const [scale, quiet] = [3, 4];
  const side = (rows.length + 2 * quiet) * scale;
  const pixels = new Uint8ClampedArray(side * side * 4).fill(255);
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1) {
      const dark = rows[Math.floor(y / scale) - quiet]?.[Math.floor(x / scale) - quiet];
      if (dark) pixels.fill(0, (y * side + x) * 4, (y * side + x) * 4 + 3);
    }
  }
  return jsQR(pixels, side, side)?.data;
}

describe('QR codes', () => {
  test('are read as what they were made of, at every size', () => {
    const sizes = new Set();
    for (let bytes = 1; bytes <= 858; bytes += bytes < 20 ? 1 : 19) {
      const link = `https://${'veche.example/#lobby-42'.repeat(40)}`.slice(-bytes);
      const rows = qrCode(link);
      assert.equal(read(rows), link);
      sizes.add(rows.length);
    }
    assert.equal(sizes.size, 20);
  });

  test('hold 858 bytes and no more', () => {
    assert.equal(read(qrCode('x'.repeat(858))), 'x'.repeat(858));
    assert.equal(qrCode('x'.repeat(859)), null);
  });
});

describe('an invitation', () => {
  const { person, enter } = stage('--db', 'none');

  test('leads to the room by its link and by its QR code', async () => {
    const room = '#новгородское-вече';
    const phone = { viewport: { width: 390, height: 844 }, permissions: ['clipboard-read', 'clipboard-write'] };
    const ann = await (await person(phone)).enter('Ann', room);
    const { page } = ann;
    await page.click('#invite-button');
    const path = await page.locator('#qr path').getAttribute('d');
    const dark = [...path.matchAll(/M(\d+) (\d+)h1v1h-1z/g)].map(([, x, y]) => [x - 4, y - 4]);
    const side = 1 + Math.max(...dark.map(([x]) => x));
    const rows = Array.from({ length: side }, () => Array(side).fill(false));
    for (const [x, y] of dark) rows[y][x] = true;
    const link = read(rows);
    assert.equal(link, page.url());
    const dialog = await page.locator('#invite').evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth);
    assert.equal(dialog, 0, 'nothing of it is cut off');
    await page.click('#invite .invitation button');
    await page.locator('#invite .invitation button', { hasText: 'Copied' }).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), link);
    await page.keyboard.press('Escape');
    const bob = await enter('Bob', { url: link });
    assert.equal(await bob.page.locator('#room-title').textContent(), room.slice(1));
  });
});
