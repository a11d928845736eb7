// The languages that replies can be in, and that messages can be read in. Asked for when they are first wanted.

import { call } from "./api.js";
import { el } from "./dom.js";
import { locale } from "./i18n.js";

let asked = null;

/** `{items, translates}`: asked for once; where it fails, again by the next call. */
export function readLanguages() {
  asked ??= call("GET", "/translation/languages").catch((problem) => {
    asked = null;
    throw problem;
  });
  return asked;
}

/** Sorted by what each is called in itself. */
export function byOwnName(languages) {
  const { compare } = new Intl.Collator(locale());
  return [...languages].sort((one, other) => compare(one.own_name, other.own_name));
}

export const languageOption = ({ code, own_name, direction }) =>
  el("option", { value: code, textContent: own_name, lang: code, dir: direction });
