// Which language the replies of a conversation are in: that of the messages, or one that is chosen here, also before it
// begins. Loaded when it is first opened.

import { attempt, el } from "../lib/dom.js";
import { formatLanguage, t } from "../lib/i18n.js";
import { byOwnName, languageOption, readLanguages } from "../lib/languages.js";
import { openPanel } from "../lib/panel.js";

/**
 * Opens the choice. `current()` is the tag that counts now (null: that of the messages; undefined: the conversation is no
 * more), `choose(tag)` takes another, and returns nothing where that failed. `onChange(listener)` hears of others' choices,
 * and returns the way to stop listening.
 */
export async function openReplyLanguage({ current, choose, onChange = () => () => {} }) {
  const languages = await attempt(readLanguages);
  if (!languages || current() === undefined) return;
  const own = el("option", { value: "", textContent: t("side.language.own") });
  const choice = el("select", { name: "language" }, own, ...byOwnName(languages.items).map(languageOption));
  const stopListening = onChange(show);

  function show() {
    const language = current() ?? "";
    // A dialect, or a language that is listed no more.
    if (![...choice.options].some(({ value }) => value === language)) {
      choice.append(el("option", { value: language, textContent: formatLanguage(language) }));
    }
    if (choice.value !== language) choice.value = language;
  }

  choice.onchange = async () => {
    if (!(await choose(choice.value || null))) show();
  };
  show();
  openPanel(t("side.menu.language"), [
    el("label", { className: "field" }, t("side.language.label"), choice),
    el("p", { className: "quiet about-choice", textContent: t("side.language.about") }),
  ], { isWide: false, onClose: stopListening });
  choice.focus();
}
