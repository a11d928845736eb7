// The clipboard, also where the page is served without TLS and browsers keep their own one to themselves.

import { toast } from "../lib/dom.js";
import { t } from "../lib/i18n.js";

/** Copies a text. Returns whether that went well; a failure is said. */
export async function copyText(text) {
  try {
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else if (!copyBySelection(text)) throw new Error("refused");
    return true;
  } catch {
    toast(t("chat.not_copied"));
    return false;
  }
}

function copyBySelection(text) {
  const focused = document.activeElement;
  const area = document.createElement("textarea");
  area.className = "unseen";
  area.value = text;
  // Within an open dialog: nothing outside of it can be selected.
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return copied;
}
