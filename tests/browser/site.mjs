// The site that a chat stands beside: it has a token to keep order with, and names members.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';

const API_TOKEN = '0123456789abcdef0123456789abcdef';
const SECRET = 'a secret of the site and of nobody else';

const folder = mkdtempSync(path.join(tmpdir(), 'veche-site-'));
after(() => rmSync(folder, { recursive: true }));

function file(name, text) {
  const one = path.join(folder, name);
  writeFileSync(one, text, { mode: 0o600 });
  return one;
}

/** What the program is started with. */
export const beside = ['--api-token-file', file('api-token', API_TOKEN), '--jwt-secret-file', file('jwt-secret', SECRET)];

/** What the site asks of the chat, as curl would. */
export async function asks({ server }, method, where) {
  const headers = { Authorization: `Bearer ${API_TOKEN}` };
  const response = await fetch(`${server.url}api/${where}`, { method, headers });
  assert.ok(response.ok, `${where}: ${response.status}`);
  return response.status === 204 ? null : response.json();
}

/** A token as a site makes one, for an hour unless told otherwise. */
export function token(claims, seconds = 3600) {
  const part = value => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Date.now() / 1000 + seconds;
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: claims.name, exp, ...claims })}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}
