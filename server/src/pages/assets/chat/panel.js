// A panel over the page: a title, a button that closes it, and whatever is in it.

import { el } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";

/** Opens it. Returns `{body, close}`. */
export function openPanel(title) {
  const close = el("button", { type: "button", className: "tool", ariaLabel: t("common.close"), title: t("common.close") }, icon("close"));
  const heading = el("h2", { textContent: title, id: "panel-title", dir: "auto" });
  const body = el("div", { className: "panel-body" });
  const dialog = el("dialog", { className: "dialog wide chat-panel" }, el("header", { className: "panel-head" }, heading, close), body);
  dialog.setAttribute("aria-labelledby", heading.id);
  close.onclick = () => dialog.close();
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return { body, close: () => dialog.close() };
}
