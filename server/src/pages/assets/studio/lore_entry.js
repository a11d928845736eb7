// An entry of a lorebook as its form has it, and back: as `shared/characters/src/lorebook` reads it. What is not changed
// stays as it came. Nothing in this file touches the page.

/** By the numbers of `selectiveLogic`. */
const LOGICS = ["and_any", "not_all", "not_any", "and_all"];
/** By the numbers of `extensions.position`; 2 and 3, the notes of an author, stand at a depth. */
const PLACES = ["before_persona", "after_persona", "depth", "depth", "depth", "before_examples", "after_examples"];
const AT_DEPTH = 4;
const DEFAULT_DEPTH = 4;
const MAX_ID = 64;

/** A number from zero on, also as a text. */
function countOf(value) {
  const isNumber = typeof value === "number" || (typeof value === "string" && value.trim() !== "");
  const number = isNumber ? Math.trunc(Number(value)) : NaN;
  return Number.isFinite(number) && Number(value) >= 0 ? number : null;
}

const textsOf = (value) => (typeof value === "string" ? [value] : Array.isArray(value) ? value.filter((each) => typeof each === "string") : []);
const flagOf = (value, otherwise) => (typeof value === "boolean" ? value : otherwise);
const extensionsOf = ({ extensions }) => (extensions && typeof extensions === "object" && !Array.isArray(extensions) ? extensions : {});

/** Whether every key is a pattern, not only those between slashes: then secondary keys do not count. */
export function areAllPatterns(entry) {
  const extensions = extensionsOf(entry);
  return entry.use_regex === true && !("selectiveLogic" in extensions) && !("exclude_recursion" in extensions);
}

function placeOf(entry) {
  const number = countOf(extensionsOf(entry).position);
  if (number !== null) return PLACES[number] ?? "none";
  return entry.position === "after_char" ? "after_persona" : "before_persona";
}

/** The values of the form. */
export function settingsOf(entry) {
  const extensions = extensionsOf(entry);
  const count = (name, otherwise) => countOf(extensions[name]) ?? otherwise;
  const secondary = textsOf(entry.secondary_keys);
  const isUnused = secondary.length > 0 && entry.selective !== true;
  return {
    name: String(entry.name || entry.comment || "").trim(),
    keys: textsOf(entry.keys),
    secondary_keys: secondary,
    logic: isUnused ? "off" : LOGICS[count("selectiveLogic", 0)] ?? "and_any",
    content: typeof entry.content === "string" ? entry.content : "",
    constant: flagOf(entry.constant, false),
    enabled: flagOf(entry.enabled, true),
    order: Math.trunc(Number(entry.insertion_order)) || 0,
    place: placeOf(entry),
    depth: count("position", null) === AT_DEPTH ? count("depth", DEFAULT_DEPTH) : DEFAULT_DEPTH,
    probability: extensions.useProbability === false ? 100 : Math.min(100, count("probability", 100)),
    sticky: count("sticky", 0),
    cooldown: count("cooldown", 0),
  };
}

/** The entry with these settings: only what differs is written. */
export function withSettings(entry, settings) {
  const before = settingsOf(entry);
  const isNew = (...names) => names.some((name) => JSON.stringify(settings[name]) !== JSON.stringify(before[name]));
  const made = { ...entry };
  const extend = (more) => (made.extensions = { ...extensionsOf(made), ...more });
  if (isNew("name")) Object.assign(made, renamed(entry, settings.name));
  for (const name of ["keys", "content", "constant", "enabled"]) if (isNew(name)) made[name] = settings[name];
  if (isNew("order")) made.insertion_order = settings.order;
  if (isNew("secondary_keys")) made.secondary_keys = settings.secondary_keys;
  if (isNew("secondary_keys", "logic") && settings.secondary_keys.length) made.selective = settings.logic !== "off";
  if (isNew("logic") && settings.logic !== "off" && (countOf(extensionsOf(entry).selectiveLogic) ?? 0) !== LOGICS.indexOf(settings.logic)) {
    extend({ selectiveLogic: LOGICS.indexOf(settings.logic) });
  }
  if (isNew("place") || (settings.place === "depth" && isNew("depth"))) putAt(made, extend, settings);
  if (isNew("probability")) extend({ probability: settings.probability, ...(extensionsOf(entry).useProbability === false && { useProbability: true }) });
  for (const name of ["sticky", "cooldown"]) if (isNew(name)) extend({ [name]: settings[name] });
  return made;
}

/** Under the field that it has its name in. Without any, both are empty: one takes the place of the other. */
function renamed({ name, comment }, text) {
  if (text === "") return { ...(name !== undefined && { name: "" }), ...(comment !== undefined && { comment: "" }) };
  return !name && comment ? { comment: text } : { name: text };
}

function putAt(made, extend, { place, depth }) {
  // Readers that know no extensions have two places.
  made.position = place === "before_persona" ? "before_char" : "after_char";
  if (place === "depth") extend({ position: AT_DEPTH, depth });
  else if (PLACES.indexOf(place) > 1 || "position" in extensionsOf(made)) extend({ position: PLACES.indexOf(place) });
}

/** A new entry of a lorebook that has these. */
export function newEntry(entries) {
  const ids = entries.map(({ id }) => countOf(id) ?? 0);
  return {
    id: Math.max(0, ...ids) + 1, name: "", keys: [], secondary_keys: [], selective: false, content: "", constant: false, enabled: true,
    insertion_order: 100, position: "before_char", use_regex: false, extensions: {},
  };
}

/** The ids that reports and receipts have for entries: their own where they are different, else their places. */
export function idsOf(entries) {
  const seen = new Set();
  return entries.map(({ id }, at) => {
    const own = id === undefined || id === null ? "" : typeof id === "string" ? id : JSON.stringify(id);
    if (own === "" || own.length > MAX_ID || own === "null" || seen.has(own)) return `#${at}`;
    seen.add(own);
    return own;
  });
}

/** Whether nothing can bring it, however it is set otherwise. */
export const neverComes = ({ keys, constant, enabled, content }) =>
  enabled && !constant && !keys.some((key) => key.trim()) && !content.trimStart().startsWith("@@");
