// What the page says, in the reader's language.

import { Store } from './models/store.js';

const navigatorLanguage = globalThis.navigator?.language ?? 'en';
const { language: chosen } = new Store(() => localStorage).get('settings') ?? {};

export const language = /^(ru|be|uk|kk)\b/i.test(chosen ?? navigatorLanguage) ? 'ru' : 'en';

// Only the reader's own language is fetched.
export const { default: strings } = await import(`./languages/${language}.js`);

const plural = new Intl.PluralRules(language);

/**
 * The string for `key`, or another where there is none. It may have plural forms, chosen by `n`;
 * `{name}` in it stands for a parameter.
 */
export function t(key, parameters = {}, other = key) {
  let string = strings[key] ?? other;
  if (typeof string === 'object') string = string[plural.select(parameters.n)] ?? string.other;
  return string.replace(/\{(\w+)\}/g, (whole, name) =>
    name === 'n' ? numbers.format(parameters.n) : parameters[name] ?? whole,
  );
}

/** The reader's own region, where it is one of the page's language: 8:05 PM or 20:05. */
const region = navigatorLanguage.startsWith(language) ? navigatorLanguage : language;
const numbers = new Intl.NumberFormat(region);
const clockTime = new Intl.DateTimeFormat(region, { hour: '2-digit', minute: '2-digit' });
const fullTime = new Intl.DateTimeFormat(region, { dateStyle: 'full', timeStyle: 'medium' });
const dayThisYear = new Intl.DateTimeFormat(region, { weekday: 'long', day: 'numeric', month: 'long' });
const dayAnyYear = new Intl.DateTimeFormat(region, { dateStyle: 'long' });
const relativeDay = new Intl.RelativeTimeFormat(region, { numeric: 'auto' });

export function fileSize(bytes) {
  const [unit, size, unitDisplay] = bytes < 1e3 ? ['byte', 1, 'long'] : bytes < 1e6 ? ['kilobyte', 1e3] : ['megabyte', 1e6];
  const format = { style: 'unit', unit, unitDisplay, maximumSignificantDigits: 3 };
  return new Intl.NumberFormat(region, format).format(bytes / size);
}

export const timeOfDay = time => clockTime.format(time);
export const fullDate = time => fullTime.format(time);

/** “Today”, “yesterday”, or the date. */
export function dayName(time, now = Date.now()) {
  const days = Math.round((midnight(time) - midnight(now)) / 86_400_000);
  if (days === 0 || days === -1) {
    const name = relativeDay.format(days, 'day');
    return name[0].toUpperCase() + name.slice(1);
  }
  const sameYear = new Date(time).getFullYear() === new Date(now).getFullYear();
  return (sameYear ? dayThisYear : dayAnyYear).format(time);
}

function midnight(time) {
  return new Date(time).setHours(0, 0, 0, 0);
}
