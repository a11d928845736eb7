// The form of a persona: the same when one is made and when it is changed.

import { el, setText } from "../lib/dom.js";
import { LANGUAGES, formatLanguage, formatNumber, t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";
import { openMenu } from "../lib/menu.js";
import { optionsField, rangeField, selectField, switchField, textField } from "./fields.js";
import { chipsField, textsField } from "./lists.js";
import { STARTS, startText } from "./starts.js";
import { estimateTokens } from "./tokens.js";

const MAX = { name: 100, slug: 63, description: 1_000, system_prompt: 32_768, text: 32_768 };
const COMMON_LANGUAGES = [...Object.keys(LANGUAGES), "it", "pt", "pt-BR", "nl", "pl", "tr", "ru", "uk", "el", "he", "fa", "hi", "zh",
  "ja", "ko", "vi", "sv", "da", "fi", "cs", "hu", "ro"];
const LINK_EXAMPLE = "openai/gpt-4.1-mini";
/** Up to which temperature a word holds. */
const TEMPERATURES = [[0.25, "exact"], [0.55, "calm"], [0.85, "natural"], [1.15, "lively"], [1.5, "bold"], [2, "wild"]];

/** What a persona is that nobody has changed: the API's own defaults. */
export const DEFAULTS = {
  name: "", slug: "", description: "", system_prompt: "", temperature: 0.7, voice: "", model: "", chain: [], when_cut: "restart", over_budget: "fail",
  cache_replies: false, remembers: false, languages: ["en"], visibility: "private", tags: [], greetings: [], example_dialogue: "", post_history: "",
  creator_notes: "",
};

export const temperatureWord = (value) => t(`studio.temperature.${TEMPERATURES.find(([most]) => value <= most)[1]}`);

const label = (name) => t(`studio.field.${name}.label`);
const about = (name) => t(`studio.field.${name}.about`);
const words = (name) => ({ name, label: label(name), about: about(name) });

const MAKERS = {
  name: (on) => textField({ ...words("name"), max: MAX.name, ...on }),
  slug: (on) => textField({ ...words("slug"), max: MAX.slug, dir: "ltr", autocapitalize: "none", spellcheck: false, ...on }),
  description: (on) => textField({ ...words("description"), max: MAX.description, rows: 2, ...on }),
  tags: (on) => chipsField({ ...words("tags"), ...on }),
  system_prompt: promptField,
  temperature: (on) => rangeField({
    ...words("temperature"), min: 0, max: 2, step: 0.05, ends: [t("studio.temperature.least"), t("studio.temperature.most")],
    wordOf: (value) => `${formatNumber(value, { maximumFractionDigits: 2 })} · ${temperatureWord(value)}`, ...on,
  }),
  languages: (on) => chipsField({
    ...words("languages"), known: COMMON_LANGUAGES.map((tag) => [tag, formatLanguage(tag)]), textOf: formatLanguage, normal: languageTag, ...on,
  }),
  voice: (on, { voices, values }) => selectField({ ...words("voice"), options: voiceOptions(voices, values.voice), ...on }),
  greetings: (on) => textsField({
    ...words("greetings"), first: "studio.field.greetings.first", other: "studio.field.greetings.another", max: MAX.text, ...on,
  }),
  example_dialogue: (on) => textField({ ...words("example_dialogue"), rows: 4, max: MAX.text, ...on }),
  post_history: (on) => textField({ ...words("post_history"), rows: 2, max: MAX.text, ...on }),
  visibility: (on) => optionsField({
    name: "visibility", label: label("visibility"), options: [["private", "lock"], ["link", "key"], ["public", "globe"]].map(([value, image]) =>
      [value, t(`studio.visibility.${value}.label`), t(`studio.visibility.${value}.about`), image]), ...on,
  }),
  remembers: (on) => switchField({ ...words("remembers"), ...on }),
  chain: (on) => chipsField({ ...words("chain"), placeholder: LINK_EXAMPLE, isOrdered: true, dir: "ltr", ...on }),
  model: (on) => textField({ ...words("model"), dir: "ltr", spellcheck: false, max: 200, ...on }),
  when_cut: (on) => selectField({ ...words("when_cut"), ...choices("when_cut", ["restart", "continue", "stop"]), ...on }),
  over_budget: (on) => selectField({ ...words("over_budget"), ...choices("over_budget", ["fail", "offline"]), ...on }),
  cache_replies: (on) => switchField({ ...words("cache_replies"), ...on }),
  creator_notes: (on) => textField({ ...words("creator_notes"), rows: 3, max: MAX.text, ...on }),
};

/** In the order in which they are asked for. */
const SECTIONS = [
  ["self", ["name", "slug", "description", "tags"]],
  ["voice", ["system_prompt", "temperature", "languages", "voice", "greetings", "example_dialogue", "post_history"]],
  ["guests", ["visibility", "remembers"]],
  ["engine", ["chain", "model", "when_cut", "over_budget", "cache_replies", "creator_notes"]],
];

const choices = (name, values) => ({
  options: values.map((value) => [value, t(`studio.field.${name}.${value}.label`)]),
  aboutOf: (value) => t(`studio.field.${name}.${value}.about`),
});

const voiceName = ({ voice, provider }) => `${voice} · ${provider}`;

/** The usual one first. One that there is no more stays chosen until another is. */
export function voiceOptions({ items, default: usual }, chosen) {
  const nameOf = (id) => {
    const known = items.find((item) => item.id === id);
    return known ? voiceName(known) : id;
  };
  const gone = chosen && !items.some(({ id }) => id === chosen) ? [[chosen, chosen]] : [];
  return [["", t("studio.field.voice.default", { name: nameOf(usual ?? "") })], ...items.map((item) => [item.id, voiceName(item)]), ...gone];
}

/** `Deutsch` is `de`, `PT-br` is `pt-BR`. */
export function languageTag(text) {
  const typed = text.trim();
  const isNamed = (name) => name?.toLowerCase() === typed.toLowerCase();
  const named = COMMON_LANGUAGES.find((tag) => isNamed(formatLanguage(tag)) || isNamed(LANGUAGES[tag]));
  if (named) return named;
  try {
    return Intl.getCanonicalLocales(typed)[0] ?? typed;
  } catch {
    return typed;
  }
}

/** With an estimate of its tokens, and texts to begin with. */
function promptField({ onInput }, { nameOf, isNew }) {
  const count = el("span", { className: "quiet" });
  const begin = el("button", { type: "button", className: "button small plain", ariaHasPopup: "menu", ariaExpanded: "false" },
    el("span", { textContent: t("studio.start.choose") }), icon("chevron-down", "small"));
  const extra = [el("p", { className: "below" }, count, begin)];
  const field = textField({ ...words("system_prompt"), rows: 10, max: MAX.system_prompt, onInput: () => (show(), onInput()), extra });
  field.input.classList.add("prompt");
  const show = () => setText(count, t("studio.tokens", { count: estimateTokens(field.input.value) }));
  const use = (start) => {
    const typed = field.input.value.trim();
    const text = startText(start, nameOf());
    // Under what is written already, so that nothing of it is lost.
    field.input.value = typed && !isStart(typed, nameOf()) ? `${typed}\n\n${text}` : text;
    show();
    onInput();
    field.input.focus();
  };
  const item = ({ name, icon: image }) => ({ icon: image, text: t(`studio.start.${name}.label`), run: () => use(name) });
  begin.onclick = () => openMenu(begin, STARTS.map(item), t("studio.start.choose"));
  // Where a persona is made, the same are cards above the form.
  begin.hidden = isNew;
  show();
  return { ...field, set: (value) => (field.set(value), show()) };
}

/** Whether a text is one of those to begin with, as it came. */
export const isStart = (text, name) => STARTS.some((start) => startText(start.name, name) === text.trim());

/** Values of a persona, as the form has them. */
export const valuesOf = (persona) => Object.fromEntries(Object.entries(DEFAULTS).map(([name, value]) => [name, persona[name] ?? value]));

const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** What of the values is not as it was. */
export const changesOf = (before, values) => Object.fromEntries(Object.entries(values).filter(([name, value]) => !isSame(value, before[name])));

/**
 * The form of these values; `onInput` hears of every change by the name of its field. `folded` names sections that are
 * closed at first; `extra` has nodes above the fields of a section. Without `voices` there is no choice of them.
 */
export function personaForm({ values, isNew = false, folded = ["engine"], onInput, extra = {}, voices = null }) {
  const nameOf = () => fields.get("name").get();
  const fields = new Map();
  const sections = SECTIONS.map(([section, names]) => {
    const isWanted = { slug: isNew, voice: Boolean(voices?.items.length) };
    const wanted = names.filter((name) => isWanted[name] ?? true);
    for (const name of wanted) fields.set(name, MAKERS[name]({ onInput: () => onInput(name) }, { nameOf, isNew, voices, values }));
    const heading = [el("h3", { textContent: t(`studio.section.${section}.title`) }),
      el("p", { className: "quiet", textContent: t(`studio.section.${section}.about`) })];
    const nodes = [...(extra[section] ?? []), ...wanted.map((name) => fields.get(name).node)];
    if (!folded.includes(section)) return el("section", { className: "studio-section" }, el("header", {}, ...heading), ...nodes);
    const summary = el("summary", {}, el("span", { className: "folded" }, ...heading), icon("chevron-down"));
    return el("details", { className: "studio-section" }, summary, ...nodes);
  });
  for (const [name, field] of fields) field.set(values[name]);
  const all = [...fields.values()];
  return {
    sections,
    fields: all,
    field: (name) => fields.get(name),
    values: () => Object.fromEntries(all.map((field) => [field.name, field.get()])),
    set(next) {
      for (const [name, value] of Object.entries(next)) fields.get(name)?.set(value);
    },
  };
}
