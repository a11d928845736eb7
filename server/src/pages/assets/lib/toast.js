// Short words over the page, which go away by themselves.

import { t } from "./i18n.js";

const LASTS_MS = 7_000;
const MAX_SHOWN = 3;

/**
 * Says something. `action` (`{text, run}`) offers a button; `lasting` keeps the toast until it is answered. The same
 * text is not shown twice at a time.
 */
export function toast(text, { action, lasting = false } = {}) {
  const root = document.getElementById("toasts");
  [...root.children].find((shown) => shown.firstChild.textContent === text)?.remove();
  const node = document.createElement("div");
  node.className = "toast";
  node.append(Object.assign(document.createElement("span"), { textContent: text }));
  if (action) node.append(button(action.text, () => (node.remove(), action.run())));
  if (lasting) node.append(button(t("common.dismiss"), () => node.remove()));
  root.append(node);
  while (root.childElementCount > MAX_SHOWN) root.firstChild.remove();
  // Not while somebody is about to press its button.
  if (!lasting) setTimeout(function leave() {
    if (node.matches(":hover, :focus-within")) setTimeout(leave, 1_000);
    else node.remove();
  }, LASTS_MS);
}

const button = (textContent, onclick) =>
  Object.assign(document.createElement("button"), { type: "button", textContent, onclick });
