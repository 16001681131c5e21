// The page over https, and its line over wss.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { stage } from './harness.mjs';

const folder = mkdtempSync(path.join(tmpdir(), 'veche-tls-'));
const [certificate, key] = ['certificate.pem', 'key.pem'].map(name => path.join(folder, name));
execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
  '-subj', '/CN=localhost', '-days', '2', '-keyout', key, '-out', certificate], { stdio: 'ignore' });
after(() => rmSync(folder, { recursive: true }));

const scene = stage('--db', 'none', '--tls-cert', certificate, '--tls-key', key);
const enter = name => scene.enter(name, { ignoreHTTPSErrors: true });

describe('over TLS', () => {
  test('people chat, and send each other files', async () => {
    const [ann, bob] = [await enter('Ann'), await enter('Bob')];
    assert.equal(new URL(ann.page.url()).protocol, 'https:');
    await ann.say('Whispered');
    await bob.sees(['Whispered']);
    const file = { name: 'large.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(500_000, 'veche') };
    await ann.page.setInputFiles('#files', file);
    await ann.page.locator('#composer .primary').click();
    const download = bob.page.waitForEvent('download');
    await bob.page.getByRole('button', { name: 'Download' }).click();
    assert.deepEqual(await readFile(await (await download).path()), file.buffer);
  });
});
