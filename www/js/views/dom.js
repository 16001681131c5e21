// The little that every view needs of the DOM. Text goes in through textContent and nothing else.

import { hue, initials } from '../models/text.js';
import { t } from '../strings.js';

export const byId = id => document.getElementById(id);

/** `make('p', {className: 'text', dir: 'auto'}, 'Hello')`; `data-` and `aria-` are attributes. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes('-') || name === 'role') element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** Gives an element and what is in it the colour of a name. */
export function colourBy(element, name) {
  element.classList.add('hued');
  element.style.setProperty('--hue', hue(name));
  return element;
}

export function avatar(name) {
  const seal = make('span', { className: 'avatar', 'aria-hidden': 'true' }, initials(name));
  return colourBy(seal, name);
}

const icons = {
  close: 'M5 5l10 10M15 5L5 15',
  pencil: 'M4 16l.8-3.4L13.4 4a1.4 1.4 0 0 1 2 0l.6.6a1.4 1.4 0 0 1 0 2L7.4 15.2z',
};

export const icon = name => draw(icons[name], 20);

/** A path in a square. */
export function draw(d, size) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', d);
  svg.setAttribute('viewBox', `0 0 ${size} ${size}`);
  svg.setAttribute('aria-hidden', 'true');
  svg.append(path);
  return svg;
}

/** Puts the language's strings where the document asks for them. */
export function translate(root) {
  for (const element of root.querySelectorAll('[data-text]')) {
    element.textContent = t(element.dataset.text);
  }
  for (const element of root.querySelectorAll('[data-label]')) {
    element.setAttribute('aria-label', t(element.dataset.label));
  }
  for (const element of root.querySelectorAll('[data-title]')) {
    element.title = t(element.dataset.title);
  }
  for (const element of root.querySelectorAll('[data-placeholder]')) {
    element.placeholder = t(element.dataset.placeholder);
  }
}

/** Runs once per frame however often it is asked; a hidden page has no frames, so by timer there. */
export function oncePerFrame(action) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    const run = () => {
      if (!asked) return;
      asked = false;
      action();
    };
    if (document.hidden) setTimeout(run);
    else requestAnimationFrame(run);
  };
}

/**
 * Some phones lay the keyboard over the page instead of making it smaller, and the composer
 * would lie beneath. The visible part is then the page's height.
 */
export function followKeyboard(root = document.documentElement) {
  const { visualViewport } = window;
  if (!visualViewport) return;
  visualViewport.addEventListener('resize', () => {
    // Zooming in shrinks the visible part too, and is no keyboard.
    const covered = visualViewport.scale === 1 && visualViewport.height < window.innerHeight - 1;
    if (covered) root.style.setProperty('--viewport-height', `${visualViewport.height}px`);
    else root.style.removeProperty('--viewport-height');
    window.scrollTo(0, 0);
  });
}
