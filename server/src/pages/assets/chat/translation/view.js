// A message in another language: the text, what is said of it, and the choice of the language.

import { el, setText } from "../../lib/dom.js";
import { formatLanguage, t } from "../../lib/i18n.js";
import { byOwnName, languageOption } from "../../lib/languages.js";
import { newMarkdown } from "../markdown/view.js";
import { toolButton } from "../tools.js";

/** Questions are shown as they were typed, replies as Markdown. */
function textOf(role) {
  if (role === "assistant") {
    const node = el("div", { className: "prose" });
    const markdown = newMarkdown(node);
    return { node, set: (text) => markdown.set(text, true), work: markdown.work };
  }
  const node = el("div", { className: "typed" });
  return { node, set: (text) => setText(node, text), work: () => false };
}

function sayingOf({ status, language, provider, why }) {
  if (status === "working") return t("chat.translation.working");
  return status === "failed" ? why : t("chat.translation.made", { language: formatLanguage(language), provider });
}

/** `onChoose(language)`, `onRetry()` and `onClose()` hear what is wanted. */
export function newTranslationView({ role, languages, onChoose, onRetry, onClose }) {
  const text = textOf(role);
  const saying = el("p", { className: "note", role: "status", ariaLive: "polite" });
  const choice = el("select", { className: "language-choice" }, ...byOwnName(languages).map(languageOption));
  const close = toolButton("close", "chat.translation.hide", onClose);
  const foot = el("div", { className: "translation-foot" }, saying, choice, close);
  const node = el("div", { className: "translation", role: "group" }, text.node, foot);
  node.ariaLabel = t("chat.translation.label");
  choice.ariaLabel = t("chat.translation.language");
  choice.onchange = () => onChoose(choice.value);
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    onClose();
  });

  function say(state) {
    const says = sayingOf(state);
    if (saying.says === says) return;
    saying.says = says;
    const retry = el("button", { type: "button", className: "link", textContent: t("common.retry"), onclick: onRetry });
    saying.replaceChildren(el("span", { textContent: says }), ...(state.status === "failed" ? [retry] : []));
  }

  return {
    node,
    work: text.work,
    update(state) {
      const { status, language, direction } = state;
      node.ariaBusy = String(status === "working");
      node.classList.toggle("failed", status === "failed");
      text.node.hidden = status !== "done";
      Object.assign(text.node, { lang: language, dir: direction });
      if (status === "done") text.set(state.text);
      if (choice.value !== language) choice.value = language;
      say(state);
    },
  };
}
