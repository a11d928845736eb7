// The buttons below a message, and the control that leads to its other versions.

import { el, setText } from "../lib/dom.js";
import { isRightToLeft, t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";

/** A button with an icon alone; its label is read aloud, and shown while the pointer is on it. */
export function toolButton(iconName, key, run, ...classes) {
  const button = el("button", { type: "button", className: "tool small-tool" }, icon(iconName, "small", ...classes));
  button.onclick = () => run(button);
  button.ariaLabel = button.title = t(key);
  return button;
}

/** "‹ 2/3 ›": `choose(id)` hears which version is wanted. `kind` is "reply" or "question". */
export function newVersions(kind, choose) {
  const label = el("span", { className: "versions-at" });
  const step = (by) => {
    const to = shown.ids[shown.at + by];
    if (to) choose(to);
    return Boolean(to);
  };
  const before = toolButton("chevron-left", `chat.versions.${kind}.before`, () => step(-1), "turns");
  const after = toolButton("chevron-right", `chat.versions.${kind}.after`, () => step(1), "turns");
  const node = el("span", { className: "versions", role: "group" }, before, label, after);
  node.ariaLabel = t(`chat.versions.${kind}.label`);
  let shown = { at: 0, ids: [] };

  node.addEventListener("keydown", (event) => {
    const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!direction) return;
    event.preventDefault();
    step(isRightToLeft() ? -direction : direction);
  });

  return {
    node, step,
    update(versions) {
      shown = versions;
      const { at, ids } = versions;
      node.hidden = ids.length < 2;
      setText(label, t("chat.versions.at", { at: at + 1, of: ids.length }));
      // Not `disabled`: the focus would be lost at either end.
      before.ariaDisabled = String(at === 0);
      after.ariaDisabled = String(at === ids.length - 1);
    },
  };
}
