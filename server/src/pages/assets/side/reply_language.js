// Which language the replies of a conversation are in: that of the messages, or one that is chosen here. Loaded when it
// is first opened.

import { attempt, el } from "../lib/dom.js";
import { formatLanguage, t } from "../lib/i18n.js";
import { byOwnName, languageOption, readLanguages } from "../lib/languages.js";
import { openPanel } from "../lib/panel.js";

/** Opens the choice. `change(id, body)` changes the conversation, and returns nothing where that failed. */
export async function openReplyLanguage(id, { conversations, change }) {
  const languages = await attempt(readLanguages);
  if (!languages || !conversations.has(id)) return;
  const own = el("option", { value: "", textContent: t("side.language.own") });
  const choice = el("select", { name: "language" }, own, ...byOwnName(languages.items).map(languageOption));
  const stopListening = conversations.onChange(show);

  function show() {
    const language = conversations.get(id)?.language ?? "";
    // A dialect, or a language that is listed no more.
    if (![...choice.options].some(({ value }) => value === language)) {
      choice.append(el("option", { value: language, textContent: formatLanguage(language) }));
    }
    if (choice.value !== language) choice.value = language;
  }

  choice.onchange = async () => {
    if (!(await change(id, { language: choice.value || null }))) show();
  };
  show();
  openPanel(t("side.menu.language"), [
    el("label", { className: "field" }, t("side.language.label"), choice),
    el("p", { className: "quiet about-choice", textContent: t("side.language.about") }),
  ], { isWide: false, onClose: stopListening });
  choice.focus();
}
