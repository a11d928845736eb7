// A panel over the page: a title, a button that closes it, and whatever is in it.

import { el } from "./dom.js";
import { t } from "./i18n.js";
import { icon } from "./icons.js";

let made = 0;

/**
 * Opens it in the middle, or as a sheet at the end of the line (`isSheet`). `onClose` hears when it has closed. Returns
 * `{body, close}`.
 */
export function openPanel(title, content = [], { isSheet = false, isWide = !isSheet, onClose = () => {} } = {}) {
  const close = el("button", { type: "button", className: "tool", ariaLabel: t("common.close"), title: t("common.close") }, icon("close"));
  const heading = el("h2", { textContent: title, id: `panel-title-${(made += 1)}`, dir: "auto" });
  const body = el("div", { className: "panel-body", tabIndex: 0 }, ...content);
  const className = ["dialog panelled", isSheet && "sheet", isWide && "wide"].filter(Boolean).join(" ");
  const dialog = el("dialog", { className }, el("header", { className: "panel-head" }, heading, close), body);
  dialog.setAttribute("aria-labelledby", heading.id);
  close.onclick = () => dialog.close();
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    onClose();
  });
  document.body.append(dialog);
  dialog.showModal();
  return { body, close: () => dialog.close() };
}

export const openSheet = (title, ...content) => openPanel(title, content, { isSheet: true });
