// Texts: markup, names in them, completing and recalling them.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  completion, hue, initials, isEmoji, mentions, Recall, tokens,
} from '../../../www/js/models/text.js';

describe('markup', () => {
  const links = text => tokens(text).filter(token => token.href).map(token => token.text);

  test('only http and https are links', () => {
    assert.deepEqual(links('https://a.example http://b.example javascript:alert(1) ftp://c.example'), ['https://a.example', 'http://b.example']);
  });

  test('punctuation of the sentence is not part of a link', () => {
    assert.deepEqual(links('See https://a.example/x. (Or https://a.example/y_(z)!)'), ['https://a.example/x', 'https://a.example/y_(z)']);
  });

  test('tokens give the text back', () => {
    const alphabet = ['*', '**', '***', '`', '```', '\n', ' ', 'a', 'é', '🙂', ')', 'https://a.example/*b*', '<b>', '@', 'http://['];
    // A small generator of its own: the same texts every time.
    let state = 1;
    const random = () => (state = (state * 48271) % 2147483647);
    for (let round = 0; round < 5000; round += 1) {
      const text = Array.from({ length: random() % 20 }, () => alphabet[random() % alphabet.length]).join('');
      const found = tokens(text, 'a');
      assert.equal(found.map(token => token.text).join(''), text);
      assert.ok(found.every(token => token.text));
      assert.equal(found.filter(token => token.mark).length % 2, 0, `marks come in pairs: ${text}`);
    }
  });

  /** Each token behind the first letters of what it is: `b` bold, `i` italic, `c` code, `cb` a block. */
  const shown = (text, name) => tokens(text, name).filter(token => !token.mark).map(({ text, ...more }) => {
    const kinds = Object.keys(more).filter(kind => more[kind]).map(kind => kind[0]).sort().join('');
    return kinds ? `${kinds}:${text}` : text;
  });

  test('stars make bold and italic', () => {
    assert.deepEqual(shown('a **b** c'), ['a ', 'b:b', ' c']);
    assert.deepEqual(shown('*a*, ***b***'), ['i:a', ', ', 'bi:b']);
    assert.deepEqual(shown('**a *b* c**'), ['b:a ', 'bi:b', 'b: c']);
    assert.deepEqual(shown('(*см.* ниже)'), ['(', 'i:см.', ' ниже)']);
  });

  test('stars that stand for themselves stay', () => {
    for (const text of ['2*3*4', '2**3**4', 'a*b* c', '*a*b c', 'a * b * c', '* one\n* two', '*a\nb*', '**a', 'a**', '****', '**a*', '5* hotel, 4* food', 'snake_case_']) {
      assert.equal(shown(text).join(''), text);
      assert.ok(tokens(text).every(({ mark }) => !mark), text);
    }
  });

  test('links are in bold, and stars in links their own', () => {
    assert.deepEqual(shown('**see https://a.example/x**.'), ['b:see ', 'bh:https://a.example/x', '.']);
    assert.deepEqual(shown('https://a.example/*b*c'), ['h:https://a.example/*b*c']);
  });

  test('code is left alone, in a line or a block', () => {
    assert.deepEqual(shown('a `**b** https://c.example` d'), ['a ', 'c:**b** https://c.example', ' d']);
    assert.deepEqual(shown('x\n```js\nlet *a* = `b`;\n```\ny'), ['x', 'bc:let *a* = `b`;', 'y']);
    assert.deepEqual(shown('```one line```'), ['bc:one line']);
    assert.deepEqual(shown('**a `b` c**').filter(token => /^b:/.test(token)), [], 'bold does not cross it');
  });

  test('backticks that do not pair stay', () => {
    for (const text of ['`a', '`a\nb`', '``', '``a``', '``````', '```', '```\n```', '```a']) {
      assert.deepEqual(tokens(text).map(token => token.text).join(''), text);
      assert.ok(tokens(text).every(({ code }) => !code), text);
    }
  });

  test('time grows with the length alone', () => {
    const marks = ['*', '**a', '*a* ', '`', '`a``', '``` ', '```a\n', '````a', '```  ', ')', '.', 'http://', 'a ', '👍'];
    const sizes = [1024, 65_536];
    for (const mark of marks) {
      const [short, long] = sizes.map(size => {
        const text = `https://a${mark.repeat(size / mark.length)}`;
        // The best of several: others use the machine too.
        return Math.min(...Array.from({ length: 5 }, () => {
          const start = performance.now();
          tokens(text, 'a');
          isEmoji(text);
          return performance.now() - start;
        }));
      });
      // 64 times as long, so 4096 times the work if it were a square.
      assert.ok(long < 600 * Math.max(short, 0.2), `${mark}: ${short} ms, ${long} ms`);
    }
  });

  test('own name is found as a word, in any case, with or without @', () => {
    for (const text of ['Ann', 'hi @ann!', 'ANN: yes', '**Ann**', '(ann)', 'Ann’s']) assert.ok(mentions(text, 'Ann'), text);
    for (const text of ['Anna', 'Joann', 'ann_1', '`Ann`', 'https://a.example/Ann', 'A nn', '']) assert.ok(!mentions(text, 'Ann'), text);
    assert.ok(mentions('Привет, анна  мария!', 'Анна Мария'));
    assert.ok(!mentions('Аннам', 'Анна'));
    assert.ok(mentions('what a.+(b says', 'A.+(b'));
    assert.ok(!mentions('axx(b', 'A.+(b'));
    assert.ok(!mentions('Ann', null));
    assert.deepEqual(shown('hi @Ann, *ann*', 'Ann'), ['hi ', 'm:@Ann', ', ', 'im:ann']);
  });

  test('up to three emoji alone are large', () => {
    for (const text of ['🔔', '❤️', '👍🏽 👩‍👩‍👧 🇷🇺', '1️⃣']) assert.ok(isEmoji(text), text);
    for (const text of ['', '1', 'a🔔', '🔔!', '🔔🔔🔔🔔']) assert.ok(!isEmoji(text), text);
  });
});

describe('completion', () => {
  const commands = [{ name: 'me', usage: '/me TEXT', help: '' }, { name: 'msg', usage: '/msg NAME TEXT', help: '' }];
  const inserts = before => {
    const found = completion(before, ['Ann', 'Anna Maria', 'Bob'], commands, ': ');
    return found && [found.start, ...found.options.map(({ insert }) => insert)];
  };

  test('a name ends as fits its place', () => {
    assert.deepEqual(inserts('b'), [0, 'Bob: ']);
    assert.deepEqual(inserts('hi @b'), [4, 'Bob ']);
    assert.deepEqual(inserts('hi AN'), [3, 'Ann ', 'Anna Maria ']);
    assert.deepEqual(inserts('hi anna m'), [3, 'Anna Maria ']);
    for (const nothing of ['', 'hi ', '@', 'hi @', 'ob', 'x'.repeat(9000)]) assert.equal(inserts(nothing), undefined, nothing);
  });

  test('commands begin the text, and names in them are quoted where they must be', () => {
    assert.deepEqual(inserts('/'), [0, '/me ', '/msg ']);
    assert.deepEqual(inserts('/MS'), [0, '/msg ']);
    assert.deepEqual(inserts('/msg an'), [0, '/msg Ann ', '/msg "Anna Maria" ']);
    assert.deepEqual(inserts('/msg "anna m'), [0, '/msg "Anna Maria" ']);
    assert.equal(inserts('/x'), undefined);
    assert.equal(inserts('say /m'), undefined);
  });
});

describe('recall', () => {
  function recall() {
    const kept = {};
    return new Recall({ get: key => kept[key] ?? null, set: (key, value) => (kept[key] = value) });
  }

  test('walks to the oldest of fifty, and no further', () => {
    const sent = recall();
    assert.equal(sent.step(1), '');
    for (let n = 1; n <= 60; n += 1) sent.add(`${n}`);
    assert.equal(sent.step(1), '60');
    assert.equal(sent.step(48), '12');
    assert.equal(sent.step(1), '11');
    assert.equal(sent.step(1), '11');
    assert.equal(sent.step(-50), '');
  });

  test('the same text is met once', () => {
    const sent = recall();
    for (const text of ['a', 'b', 'a']) sent.add(text);
    assert.deepEqual([sent.step(1), sent.step(1), sent.step(1)], ['a', 'b', 'b']);
  });
});

describe('people', () => {
  test('a name has one colour, whatever its case', () => {
    assert.equal(hue('Ann'), hue('ANN'));
    assert.equal(initials('ann-maria v'), 'AM');
    assert.equal(initials('Ёж'), 'Ё');
  });
});
