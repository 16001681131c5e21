// What the page says, in each of its languages.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import english from '../../www/js/languages/en.js';
import russian from '../../www/js/languages/ru.js';

test('both say the same things with the same parameters', () => {
  assert.deepEqual(Object.keys(russian), Object.keys(english));
  for (const key of Object.keys(english)) {
    const parameters = string => [...new Set(JSON.stringify(string).match(/\{\w+\}/g))].sort();
    assert.deepEqual(parameters(russian[key]), parameters(english[key]), key);
  }
});

test('plurals have every form that their language needs', () => {
  for (const [key, string] of Object.entries(english)) {
    if (typeof string === 'object') assert.deepEqual(Object.keys(string), ['one', 'other'], key);
  }
  for (const [key, string] of Object.entries(russian)) {
    if (typeof string === 'object') assert.deepEqual(Object.keys(string), ['one', 'few', 'other'], key);
  }
});
