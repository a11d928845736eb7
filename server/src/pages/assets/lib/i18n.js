// Texts of the pages: catalogues by language, loaded when a page first needs them, and dates and numbers to match.
//
// A key is `<catalogue>.<path>`: `t("side.menu.rename")` is `menu.rename` in catalogues/<language>/side.json. A text
// with `{name}` takes values; a text that is an object of plural forms is chosen by the value `count`. Whatever a
// language lacks is shown in English. Languages without catalogues here are translated by the server.

import { LANGUAGE, store, stored } from "./storage.js";

/** Each path is a literal of its own, because the build replaces literals by digest names. */
const PATHS = {
  en: {
    common: "../catalogues/en/common.json", chat: "../catalogues/en/chat.json", side: "../catalogues/en/side.json",
    account: "../catalogues/en/account.json", control: "../catalogues/en/control.json", problems: "../catalogues/en/problems.json",
    studio: "../catalogues/en/studio.json", lore: "../catalogues/en/lore.json",
  },
  de: {
    common: "../catalogues/de/common.json", chat: "../catalogues/de/chat.json", side: "../catalogues/de/side.json",
    account: "../catalogues/de/account.json", control: "../catalogues/de/control.json", problems: "../catalogues/de/problems.json",
    studio: "../catalogues/de/studio.json", lore: "../catalogues/de/lore.json",
  },
  es: {
    common: "../catalogues/es/common.json", chat: "../catalogues/es/chat.json", side: "../catalogues/es/side.json",
    account: "../catalogues/es/account.json", control: "../catalogues/es/control.json", problems: "../catalogues/es/problems.json",
    studio: "../catalogues/es/studio.json", lore: "../catalogues/es/lore.json",
  },
  fr: {
    common: "../catalogues/fr/common.json", chat: "../catalogues/fr/chat.json", side: "../catalogues/fr/side.json",
    account: "../catalogues/fr/account.json", control: "../catalogues/fr/control.json", problems: "../catalogues/fr/problems.json",
    studio: "../catalogues/fr/studio.json", lore: "../catalogues/fr/lore.json",
  },
  ar: {
    common: "../catalogues/ar/common.json", chat: "../catalogues/ar/chat.json", side: "../catalogues/ar/side.json",
    account: "../catalogues/ar/account.json", control: "../catalogues/ar/control.json", problems: "../catalogues/ar/problems.json",
    studio: "../catalogues/ar/studio.json", lore: "../catalogues/ar/lore.json",
  },
};

/** The languages that there are catalogues of, each by its own name. */
export const LANGUAGES = { en: "English", de: "Deutsch", es: "Español", fr: "Français", ar: "العربية" };

export const FALLBACK = "en";
/** Of a language without catalogues; which there are, the server knows. */
const CODE = /^[a-z]{2,3}(-[A-Z][a-z]{3})?$/;
const RIGHT_TO_LEFT = new Set(["ar", "fa", "he", "ps", "ur", "yi"]);
const RTL_LETTERS = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;

/** By language, then by catalogue. */
const catalogues = {};
const wanted = new Set();
const listeners = new Set();
let current = chosenLanguage() ?? bestLanguage(globalThis.navigator?.languages ?? []);

/** The language that was chosen on the account page; null where the browser's counts. */
export function chosenLanguage() {
  const chosen = globalThis.localStorage && stored(localStorage, LANGUAGE);
  return chosen in LANGUAGES || CODE.test(chosen) ? chosen : null;
}

/** The first of the browser's languages that there are catalogues of. */
export function bestLanguage(preferred) {
  const known = preferred.map((tag) => tag.toLowerCase().split("-")[0]).find((code) => code in LANGUAGES);
  return known ?? FALLBACK;
}

export const language = () => current;

export const isRightToLeft = () => RIGHT_TO_LEFT.has(current);

/** Whether the texts are translated by machine. */
export const isMachineTranslated = () => !(current in LANGUAGES);

/** The tag for `Intl`: the browser's own variant of the language (`en-GB`) where it has one. */
export function locale() {
  const own = (globalThis.navigator?.languages ?? []).find((tag) => tag.toLowerCase().split("-")[0] === current);
  return own ?? current;
}

/** Loads catalogues of the current language; a call for a loaded one costs nothing. */
export async function loadCatalogue(...names) {
  names.forEach((name) => wanted.add(name));
  const languages = current === FALLBACK ? [FALLBACK] : [FALLBACK, current];
  await Promise.all(languages.flatMap((code) => names.map((name) => load(code, name))));
}

/** Adds texts to a catalogue: for tests, which have no server. */
export function addTexts(code, name, texts) {
  catalogues[code] = { ...catalogues[code], [name]: texts };
}

function load(code, name) {
  const known = (catalogues[code] ??= {});
  // A failed load is tried again by the next call; until then the key itself is shown.
  const texts = () => (code in PATHS ? fetchTexts(PATHS[code][name]) : translatedTexts(code, name));
  known[name] ??= texts().then(
    (texts) => (known[name] = texts),
    () => (known[name] = undefined),
  );
  return known[name];
}

async function fetchTexts(path) {
  const response = await fetch(new URL(path, import.meta.url));
  if (!response.ok) throw new Error(`no catalogue at ${path}`);
  return response.json();
}

/** What comes later is shown when it is there. */
async function translatedTexts(code, name) {
  const { followCatalogue } = await import("./machine_catalogues.js");
  return followCatalogue(code, name, () => current === code, (texts) => {
    catalogues[code][name] = texts;
    showTexts();
  });
}

function showTexts() {
  translate(document);
  listeners.forEach((listener) => listener(current));
}

/** Takes another language from now on (null: the browser's), in every tab. */
export async function chooseLanguage(code) {
  if (code !== chosenLanguage()) store(localStorage, LANGUAGE, code);
  current = code ?? bestLanguage(navigator.languages);
  await loadCatalogue(...wanted);
  applyDirection();
  showTexts();
}

/** Hears of another language, after the texts in the HTML have changed. Returns the way to stop listening. */
export function onLanguageChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function lookUp(code, key) {
  return key.split(".").reduce((at, part) => at?.[part], catalogues[code]);
}

/** The text of a key with its values filled in. */
export function t(key, values = {}) {
  // Of what is translated by machine there may be one plural form without the others.
  const text = formOf(current, lookUp(current, key), values) ?? formOf(FALLBACK, lookUp(FALLBACK, key), values);
  if (typeof text !== "string") return key;
  return text.replace(/\{(\w+)\}/g, (placeholder, name) => (name in values ? filled(values[name]) : placeholder));
}

/** Whether there is a text of this key, for keys that are made of codes of the API. */
export const hasText = (key) => [current, FALLBACK].some((code) => lookUp(code, key) !== undefined);

function formOf(code, text, { count }) {
  if (typeof text !== "object" || text === null) return text;
  return text[pluralRules(code).select(Number(count))] ?? text.other;
}

function filled(value) {
  if (typeof value === "number") return formatNumber(value);
  const text = String(value ?? "");
  // Isolated: punctuation beside a name in the other direction would otherwise jump to its wrong end.
  return isRightToLeft() !== RTL_LETTERS.test(text) ? `\u2068${text}\u2069` : text;
}

// ── In the page ──────────────────────────────────────────────────────────────────────────────────────────────────────

const ATTRIBUTES = [
  ["data-t-label", "aria-label"], ["data-t-title", "title"], ["data-t-placeholder", "placeholder"], ["data-t-alt", "alt"],
];

/**
 * Fills in the texts of `data-t="key"`, and of `data-t-label`, `-title`, `-placeholder` and `-alt` for attributes. Parts
 * whose catalogue is not loaded are left as they are.
 */
export function translate(root) {
  const fill = (key, show) => hasText(key) && show(t(key));
  for (const node of root.querySelectorAll("[data-t]")) fill(node.dataset.t, (text) => (node.textContent = text));
  for (const [source, target] of ATTRIBUTES) {
    for (const node of root.querySelectorAll(`[${source}]`)) {
      fill(node.getAttribute(source), (text) => node.setAttribute(target, text));
    }
  }
}

export function applyDirection() {
  document.documentElement.lang = current;
  document.documentElement.dir = isRightToLeft() ? "rtl" : "ltr";
}

/** Loads what a page begins with, and shows its texts. Chosen in another tab, the language changes here too. */
export async function startLanguage(...names) {
  applyDirection();
  addEventListener("storage", ({ key, storageArea }) => {
    if (key === LANGUAGE && storageArea === localStorage) chooseLanguage(chosenLanguage());
  });
  await loadCatalogue("common", "problems", ...names);
  translate(document);
}

// ── Dates and numbers ────────────────────────────────────────────────────────────────────────────────────────────────

const formatters = new Map();

/** `Intl` objects are slow to make, so each is made once. */
function formatter(Kind, options = {}) {
  const key = `${Kind.name} ${locale()} ${JSON.stringify(options)}`;
  return formatters.get(key) ?? formatters.set(key, new Kind(locale(), options)).get(key);
}

function pluralRules(code) {
  return formatters.get(code) ?? formatters.set(code, new Intl.PluralRules(code)).get(code);
}

export function formatNumber(number, options) {
  // The first page would wait for `Intl` otherwise; all languages but those with digits of their own write these alike.
  if (!options && Number.isInteger(number) && number >= 0 && number < 1000 && current !== "ar") return String(number);
  return formatter(Intl.NumberFormat, options).format(number);
}

export const formatDate = (time, options = { dateStyle: "medium", timeStyle: "short" }) =>
  formatter(Intl.DateTimeFormat, options).format(new Date(time));

export const formatTime = (time) => formatDate(time, { timeStyle: "short" });

export const formatList = (items) => formatter(Intl.ListFormat, { type: "conjunction" }).format(items);

/** A language of the API (`pt-BR`) by its name in the current one. */
export function formatLanguage(tag) {
  try {
    return formatter(Intl.DisplayNames, { type: "language" }).of(tag) ?? tag;
  } catch {
    return tag;
  }
}

const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];

/** "in 5 minutes", "3 hours ago", "yesterday". */
export function formatRelative(time, now = Date.now()) {
  const seconds = Math.round((new Date(time) - now) / 1_000);
  const [unit, size] = UNITS.find(([, least]) => Math.abs(seconds) >= least) ?? UNITS.at(-1);
  return formatter(Intl.RelativeTimeFormat, { numeric: "auto" }).format(Math.round(seconds / size), unit);
}

/** A length of time in its largest unit: "40 sec", "3 min". */
export function formatSeconds(seconds) {
  const [unit, size] = UNITS.find(([, least]) => seconds >= least) ?? UNITS.at(-1);
  const value = unit === "second" ? Math.max(0, Math.round(seconds)) : Math.round(seconds / size);
  return formatNumber(value, { style: "unit", unit, unitDisplay: "short" });
}

/** How many local days ago a time was: 0 is today. */
export function daysAgo(time, now = Date.now()) {
  const midnight = (date) => new Date(date).setHours(0, 0, 0, 0);
  return Math.round((midnight(now) - midnight(time)) / 86_400_000);
}

/** A heading for the messages of a day: "today", "yesterday", or the date, in the language's own letters. */
export function formatDay(time, now = Date.now()) {
  const days = daysAgo(time, now);
  // Of the catalogue: the first page would wait for `Intl` otherwise.
  if (days === 0) return t("common.today");
  if (days === 1) return t("common.yesterday");
  const sameYear = new Date(time).getFullYear() === new Date(now).getFullYear();
  return formatDate(time, { weekday: "long", day: "numeric", month: "long", year: sameYear ? undefined : "numeric" });
}
