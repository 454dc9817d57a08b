/** The page's words and figures in the chosen language; every visible string comes from here. */

const KEY = "switchyard.language";
const element = globalThis.document?.getElementById("catalogue");
const catalogue = element ? JSON.parse(element.textContent) : {};

/** The languages that the server sent, in its order. */
export const languages = Object.keys(catalogue);

let current = pick();
const formats = new Map();

function pick() {
  const chosen = globalThis.localStorage?.getItem(KEY);
  if (languages.includes(chosen)) return chosen;
  return globalThis.document?.documentElement.lang || "en";
}

/** Return the language that was chosen in this browser, or null while the browser's own preference decides. */
export function chosenLanguage() {
  const chosen = globalThis.localStorage?.getItem(KEY);
  return languages.includes(chosen) ? chosen : null;
}

/** Return the language in use. */
export function language() {
  return current;
}

/** Use another language from now on; with `keep`, in this browser for good. */
export function setLanguage(name, { keep = true } = {}) {
  current = name;
  if (keep) localStorage.setItem(KEY, name);
  document.documentElement.lang = name;
}

/** Return whether the catalogue has `key`. */
export function has(key) {
  return key in (catalogue[current] ?? {});
}

/**
 * Return the string `key` with `{name}` replaced from `params`.
 *
 * With a number `n`, the plural form is taken from `key.one` or `key.other`.
 */
export function t(key, params = {}) {
  const strings = catalogue[current] ?? {};
  const plural = typeof params.n === "number" ? `${key}.${format("plural", Intl.PluralRules).select(params.n)}` : key;
  const pattern = strings[plural] ?? strings[`${key}.other`] ?? strings[key] ?? key;
  return pattern.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = params[name];
    if (value === undefined) return whole;
    return typeof value === "number" ? number(value) : value;
  });
}

function format(kind, Format, options) {
  const key = `${current} ${kind} ${JSON.stringify(options)}`;
  if (!formats.has(key)) formats.set(key, new Format(current, options));
  return formats.get(key);
}

/** Return a number as this language writes it. */
export function number(value, options = { maximumFractionDigits: 2 }) {
  // Spanish would leave four digits ungrouped: a column and the sentence above it must write a figure alike.
  return format("number", Intl.NumberFormat, { useGrouping: "always", ...options }).format(value);
}

/** Return a share of 1 as a percentage without decimals. */
export function percent(value) {
  return number(value, { style: "percent", maximumFractionDigits: 0 });
}

/** Return a span of time in the unit that suits it: `240 ms`, `1.2 s`, `2 min`. */
export function duration(ms) {
  // The unit symbols are the same in every language; Intl would write "sec" and "seg".
  if (ms < 1000) return `${number(Math.round(ms))}\u00a0ms`;
  if (ms < 90000) return `${number(ms / 1000, { maximumFractionDigits: ms < 10000 ? 1 : 0 })}\u00a0s`;
  return `${number(ms / 60000, { maximumFractionDigits: 1 })}\u00a0min`;
}

/** Return a date, with the time of day when `withTime`. */
export function date(value, withTime = false) {
  return format("date", Intl.DateTimeFormat, withTime
    ? { dateStyle: "medium", timeStyle: "short" } : { dateStyle: "medium", timeZone: "UTC" }).format(value);
}
