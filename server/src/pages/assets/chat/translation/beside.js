// The place beside the text of a message where its translation is shown, and the button for it.

import { el } from "../../lib/dom.js";
import { toolButton } from "../tools.js";

/** `text` is the element of the message; `role` says whose it is; `opener()` gives what takes the focus afterwards. */
export function newBeside({ text, role, opener }) {
  let view = null;
  let shown = { id: null, translations: null };
  const toggle = () => shown.translations.toggle(shown.id, role);
  const button = toolButton("translate", "chat.translation.show", toggle);
  button.ariaExpanded = "false";
  button.hidden = true;
  const node = el("div", { className: "pair" }, text);

  function open() {
    view = shown.translations.newView({
      role, languages: shown.translations.languages(),
      onChoose: (language) => shown.translations.choose(shown.id, role, language),
      onRetry: () => shown.translations.retry(shown.id, role),
      onClose: () => shown.translations.hide(shown.id, role),
    });
    node.append(view.node);
    node.classList.add("is-open");
    // What language it is in, nobody knows: not that of the page, at least.
    text.lang = "";
  }

  function close() {
    const hadFocus = view.node.contains(document.activeElement);
    view.node.remove();
    view = null;
    node.classList.remove("is-open");
    text.removeAttribute("lang");
    if (hadFocus) opener(button).focus({ preventScroll: true });
  }

  return {
    node, button,
    work: (until) => view?.work(until) ?? false,
    /** `translations` is missing where nothing is translated, and `isThere` says whether there is a text to translate. */
    update(id, translations, isThere) {
      shown = { id, translations };
      const state = isThere ? (translations?.of(id, role) ?? null) : null;
      button.hidden = !translations || !isThere;
      button.ariaExpanded = String(state !== null);
      if (!state) return view && close();
      if (!view) open();
      return view.update(state);
    },
  };
}
