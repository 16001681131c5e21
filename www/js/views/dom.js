// The little that every view needs of the DOM. Text goes in through textContent and nothing else.

import { hue, initials } from '../models/text.js';
import { t } from '../strings.js';

export const byId = id => document.getElementById(id);

/** `make('p', {className: 'text', dir: 'auto'}, 'Hello')` */
export function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
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
  const seal = make('span', { className: 'avatar', ariaHidden: true }, initials(name));
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
  svg.ariaHidden = true;
  svg.append(path);
  return svg;
}

const PLACES = { text: 'textContent', label: 'ariaLabel', title: 'title', placeholder: 'placeholder' };

/** Puts the language's strings where the document asks for them. */
export function translate() {
  for (const name in PLACES) {
    for (const element of document.querySelectorAll(`[data-${name}]`)) {
      element[PLACES[name]] = t(element.dataset[name]);
    }
  }
}

/** Runs once per frame however often it is asked; a hidden page has no frames, so by timer there. */
export function oncePerFrame(action) {
  let asked = false;
  const run = () => {
    asked = false;
    action();
  };
  return () => {
    if (asked) return;
    asked = true;
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
