// What the API finds wrong, in words, beside the fields that it belongs to.

import { hasText, language, t } from "../lib/i18n.js";
import { faultText } from "../lib/problems.js";
import { sentence } from "../lib/text.js";

/** What the server says of a persona's fields, and the text for each. Groups are the values of the text. */
const SAYINGS = [
  [/^must be 2 to 63 lower-case letters/, "slug"],
  [/^must be 1 to 20 language tags/, "languages"],
  [/^'(?<link>.+)': there is no provider '(?<provider>.+)'$/, "provider"],
  [/^'(?<link>.+)': '(?<provider>.+)' has no key '(?<key>.+)'$/, "key"],
  [/^'(?<link>.*)' is not a link like /, "link"],
];

/** Problems that are about one field, though they do not name it. */
const FIELD_OF = { slug_taken: "slug", question_exists: "text", not_fetched: "url" };

export function saying(message) {
  for (const [pattern, key] of SAYINGS) {
    const match = pattern.exec(message);
    if (match) return t(`studio.fault.${key}`, match.groups);
  }
  return faultText(message);
}

/** A problem as a sentence. The server's own words are English, and more exact. */
export function problemWords({ code, message }) {
  const own = `studio.code.${code}`;
  return code && hasText(own) && (language() !== "en" || code === "slug_taken") ? t(own) : message;
}

/** What the server says of a document or a row, which it says in English only. */
export const reasonText = (reason) => (reason ? sentence(reason) : "");

/** The faults of a problem by the name of their field, with the places of list items; all others below. */
export function faultsOf(problem, names) {
  const beside = new Map();
  const below = [];
  const put = (name, text, place) => {
    const known = beside.get(name) ?? { texts: [], places: new Set() };
    known.texts.push(text);
    if (place !== undefined) known.places.add(Number(place));
    beside.set(name, known);
  };
  for (const { field, message } of problem.errors ?? []) {
    const [, name, place] = /^([^[.]+)(?:\[(\d+)\])?/.exec(field) ?? [null, field];
    if (names.includes(name)) put(name, saying(message), place);
    else below.push(saying(message));
  }
  const named = FIELD_OF[problem.code];
  if (named && names.includes(named)) put(named, problemWords(problem));
  return { beside, below: below.join(" ") || (beside.size ? "" : problemWords(problem)) };
}

/** Shows them; returns what is to be said below. The first wrong field gets the focus. */
export function showFaults(fields, problem) {
  const { beside, below } = faultsOf(problem, fields.map(({ name }) => name));
  for (const field of fields) {
    const wrong = beside.get(field.name);
    field.fault(wrong?.texts.join(" ") ?? "");
    field.mark?.(wrong?.places ?? new Set());
  }
  const first = fields.find(({ name }) => beside.has(name));
  first?.node.closest("details:not([open])")?.setAttribute("open", "");
  first?.focus();
  return below;
}

export function clearFaults(fields) {
  for (const field of fields) {
    field.fault("");
    field.mark?.(new Set());
  }
}
