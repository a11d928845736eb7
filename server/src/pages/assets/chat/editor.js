// A small editor in place of a text: Enter sends, Escape gives up.

import { el } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { fitHeight, isSendKey, lengthOf } from "./fit.js";

/** The element; `begin()` is to be called once it is in the page. */
export function newEditor({ text, label, yes, onInput, onSend, onCancel }) {
  const input = el("textarea", { className: "input", value: text, ariaLabel: label, dir: "auto", rows: 1 });
  const send = el("button", { type: "submit", className: "primary", textContent: yes });
  const cancel = el("button", { type: "button", className: "button plain", textContent: t("common.cancel"), onclick: onCancel });
  const fault = el("p", { className: "fault", role: "status" });
  const form = el("form", { className: "editor" }, input, fault, el("p", { className: "actions" }, cancel, send));

  function check() {
    const { isTooLong, words } = lengthOf(input.value);
    fault.textContent = isTooLong ? words : "";
    send.disabled = isTooLong || !input.value.trim();
    fitHeight(input);
  }

  input.addEventListener("input", () => {
    onInput(input.value);
    check();
  });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Escape") {
      event.stopPropagation();
      onCancel();
    } else if (isSendKey(event)) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!send.disabled) onSend(input.value.trim());
  });
  form.begin = () => {
    check();
    input.focus({ preventScroll: true });
    input.setSelectionRange(input.value.length, input.value.length);
  };
  return form;
}
