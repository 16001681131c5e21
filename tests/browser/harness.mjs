// The real program, a network that can be cut, and browsers to look at it with.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, beforeEach } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const { VECHE_BIN, ...environment } = process.env;
const program = VECHE_BIN
  ? path.resolve(VECHE_BIN)
  : fileURLToPath(new URL('../../target/release/veche', import.meta.url));

const PATIENCE_MS = 10_000;

/**
 * What each test of a file or a group has to itself: the program, a wire to it, and whoever comes.
 * All of it goes with the test, and no page may have asked another host, broken its policy or told
 * the console of an error.
 */
export function stage(...serverOptions) {
  let browser;
  let people;

  before(async () => {
    browser = await launch();
  });

  after(() => browser?.close());

  beforeEach(async () => {
    people = [];
    scene.server = await startServer(...serverOptions);
    scene.wire = await startWire(scene.server.url);
  });

  afterEach(async () => {
    try {
      for (const person of people) await person.leave();
    } finally {
      scene.wire.stop();
      await scene.server.stop();
    }
  });

  const scene = {
    server: null,
    wire: null,
    /** Somebody at the server, or at another `url`, in a browser with options of their own. */
    async person({ url = scene.server.url, ...options } = {}) {
      const one = await Person.at(browser, url, options);
      people.push(one);
      return one;
    },
    /** Somebody who has come in by the first-visit form. */
    enter: async (name, options) => (await scene.person(options)).enter(name),
  };
  return scene;
}

/**
 * Starts the program on a free port, in a directory of its own for whatever it writes. It can be
 * stopped or killed in between, and started again with what it has written.
 */
export async function startServer(...options) {
  const directory = await mkdtemp(path.join(tmpdir(), 'veche-'));
  let running = await run(directory, '127.0.0.1:0', options);
  const { url } = running;
  return {
    url,
    down: (signal = 'SIGTERM') => running.end(signal),
    async up() {
      running = await run(directory, new URL(url).host, options);
    },
    async stop() {
      await running.end('SIGTERM');
      await rm(directory, { recursive: true });
    },
  };
}

/** Runs the program. It says where it listens on its last start-up line. */
async function run(directory, address, options) {
  const child = spawn(program, ['--listen', address, ...options], {
    cwd: directory,
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise(resolve => child.once('exit', resolve));
  const url = await new Promise((resolve, reject) => {
    let output = '';
    child.once('error', reject);
    child.once('exit', code => reject(new Error(`${program} exited with ${code}:\n${output}`)));
    child.stdout.on('data', chunk => {
      output += chunk;
      const match = /https?:\/\/127\.0\.0\.1:\d+\//.exec(output);
      if (match) resolve(match[0]);
    });
  });
  return {
    url,
    end(signal) {
      child.kill(signal);
      return ended;
    },
  };
}

/** A wire between browser and server. Pages are still served while it is cut, WebSockets are not. */
export async function startWire(serverUrl) {
  const { hostname, port } = new URL(serverUrl);
  const sockets = new Set();
  let state = 'whole';
  const wire = net.createServer(near => {
    near.once('data', head => {
      const upgrade = /^upgrade: *websocket/im.test(head.toString('latin1'));
      if (upgrade && state !== 'whole') return near.destroy();
      const far = net.connect(Number(port), hostname);
      if (upgrade) sockets.add(near);
      far.write(head);
      near.pipe(far);
      far.on('data', data => (upgrade && state === 'deaf') || near.write(data));
      for (const [one, other] of [[near, far], [far, near]]) {
        one.on('close', () => other.destroy());
        one.on('error', () => other.destroy());
      }
    });
    near.on('error', () => {});
  });
  await new Promise(resolve => wire.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${wire.address().port}/`,
    /** Every WebSocket dies at once, and none can be opened. */
    cut() {
      state = 'cut';
      for (const socket of sockets) socket.destroy();
      sockets.clear();
    },
    /** What the browser says still arrives; it hears nothing any more. */
    deafen: () => (state = 'deaf'),
    mend: () => (state = 'whole'),
    stop() {
      wire.close();
      wire.unref();
      this.cut();
    },
  };
}

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
}

/** A person: a browser profile of their own, watched for anything a page must not do. */
export class Person {
  problems = [];

  static async at(browser, url, options = {}) {
    const context = await browser.newContext({
      locale: 'en-GB', viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce', ...options,
    });
    context.setDefaultTimeout(PATIENCE_MS);
    return new Person(await context.newPage(), url);
  }

  constructor(page, url) {
    this.page = page;
    this.url = url;
    const { host } = new URL(url);
    page.on('request', request => {
      // What the page has made itself names its host behind another scheme.
      if (new URL(request.url().replace(/^blob:/, '')).host !== host) this.problems.push(`request to ${request.url()}`);
    });
    page.on('websocket', socket => {
      if (new URL(socket.url()).host !== host) this.problems.push(`socket to ${socket.url()}`);
    });
    page.on('pageerror', error => this.problems.push(error.stack));
    page.on('console', message => {
      // A refused connection is what some tests are about, and the browser says so by itself.
      const lost = /WebSocket connection to .* failed/.test(message.text());
      if (message.type() === 'error' && !lost) this.problems.push(message.text());
    });
  }

  async visit(path = '') {
    await this.page.goto(this.url + path);
    return this;
  }

  /** Comes in by the first-visit form. */
  async enter(name, path = '') {
    await this.visit(path);
    await this.page.fill('#name', name);
    await this.page.keyboard.press('Enter');
    await this.connected();
    return this;
  }

  async connected() {
    await this.page.locator('#light[data-phase="open"]').waitFor();
    await this.page.locator('#empty:not([hidden]), #log > li').first().waitFor();
  }

  async disconnected() {
    await this.page.locator('#connection:not([hidden])').waitFor();
  }

  async type(text) {
    await this.page.fill('#text', text);
    await this.page.keyboard.press('Enter');
  }

  /** Types, and waits until the server has it. */
  async say(text) {
    await this.type(text);
    const shown = text.replace(/^\/me /, '').split('\n')[0];
    await this.page.locator('.own.delivered', { hasText: shown }).last().waitFor();
  }

  /** Says it, and waits until the other page has it: markup looks different from what was typed. */
  async tells(other, text) {
    const count = await other.page.locator('#log .text').count();
    await this.type(text);
    await other.counts('#log .text', count + 1);
  }

  /** What is on the page, message by message. */
  texts() {
    return this.page.locator('#log .entry .text').allTextContents();
  }

  async sees(texts) {
    await until(async () => assert.deepEqual(await this.texts(), texts));
  }

  async counts(selector, count) {
    await until(async () => assert.equal(await this.page.locator(selector).count(), count));
  }

  async leave() {
    await this.page.context().close();
    assert.deepEqual(this.problems, []);
  }

  /**
   * Lets several people without pages talk in a room, through WebSockets of this page: more is
   * said at once than one person may say.
   */
  async crowd(room, texts) {
    await this.page.evaluate(async ({ room, texts, each }) => {
      const cid = () => crypto.randomUUID();
      for (let start = 0; start < texts.length; start += each) {
        const said = texts.slice(start, start + each);
        const socket = new WebSocket(new URL('ws', location.href.replace(/^http/, 'ws')), 'veche.v1');
        await new Promise((resolve, reject) => {
          const send = message => socket.send(JSON.stringify(message));
          const say = () => send({ type: 'message', room, cid: cid(), text: said.shift() });
          socket.onopen = () => send({ type: 'hello', name: `Crowd ${start / each + 1} ${cid().slice(0, 4)}` });
          socket.onerror = reject;
          socket.onmessage = ({ data }) => {
            const message = JSON.parse(data);
            if (message.type === 'welcome') send({ type: 'join', room });
            if (message.type === 'joined') say();
            if (message.type === 'error') reject(new Error(data));
            if (message.type === 'message') said.length ? say() : resolve();
          };
        });
        socket.close();
      }
    }, { room, texts, each: 25 });
  }
}

/** Tries an assertion until it holds; its own message says what was missing in the end. */
export async function until(assertion) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await assertion();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise(resolve => setTimeout(resolve, 25));
    }
  }
}

/** Texts for a crowd to say. */
export const numbered = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => `message ${from + index}`);
