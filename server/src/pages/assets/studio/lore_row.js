// An entry of a lorebook in its list: what it is called, what brings it, and its form once it is opened.

import { el, setText } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";
import { neverComes, settingsOf } from "./lore_entry.js";
import { loreForm } from "./lore_form.js";

/** `faults` are those of its keys; `changed(entry)` hears of what it becomes, `remove()` of its end. */
export function loreRow({ entry, faults, changed, remove }) {
  const name = el("strong", { className: "aligned clip", dir: "auto" });
  const about = el("span", { className: "quiet aligned clip", dir: "auto" });
  const dot = el("span", { className: "dot", ariaHidden: "true" });
  const mark = el("span", { className: "chip tiny" });
  const summary = el("summary", {}, dot, el("span", { className: "what" }, name, about), mark, icon("chevron-down", "small"));
  const node = el("details", { className: "lore-entry" }, summary);
  let form = null;

  function show(now) {
    const settings = settingsOf(now);
    const keys = settings.keys.join(", ");
    setText(name, settings.name || keys || t("studio.lorebook.untitled"));
    setText(about, settings.constant ? t("studio.lorebook.always") : settings.name ? keys : "");
    dot.className = `dot ${settings.enabled ? "good" : ""}`.trim();
    const texts = [...settings.keys, ...settings.secondary_keys, settings.content];
    const state = stateOf(settings, faults.some(({ key }) => texts.some((text) => text.includes(key))));
    mark.hidden = !state;
    mark.classList.toggle("is-wrong", state === "faulty_key");
    if (state) setText(mark, t(`studio.lorebook.${state}`));
  }

  function openForm() {
    if (form) return;
    form = loreForm({ entry, faults, changed: (next) => (show(next), changed(next)), remove });
    node.append(form.node);
  }

  node.ontoggle = () => node.open && openForm();
  show(entry);
  return {
    node,
    open() {
      openForm();
      node.open = true;
      return form;
    },
  };
}

function stateOf(settings, isFaulty) {
  if (isFaulty) return "faulty_key";
  if (!settings.enabled) return "off";
  return neverComes(settings) ? "no_key" : "";
}
