// The form of one entry of a lorebook, made when it is opened.

import { el, setText } from "../lib/dom.js";
import { hasText, t } from "../lib/i18n.js";
import { reasonText } from "./faults.js";
import { button, numberField, selectField, switchField, textField } from "./fields.js";
import { chipsField } from "./lists.js";
import { areAllPatterns, settingsOf, withSettings } from "./lore_entry.js";
import { estimateTokens } from "./tokens.js";

const MAX = { name: 200, content: 100_000, order: 1_000_000, count: 100_000, depth: 10_000 };
const LOGICS = ["and_any", "and_all", "not_any", "not_all", "off"];
const PLACES = ["before_persona", "after_persona", "before_examples", "after_examples", "depth"];

function words(name) {
  const about = `studio.lorebook.field.${name}.about`;
  return { name, label: t(`studio.lorebook.field.${name}.label`), about: hasText(about) ? t(about) : "" };
}

const options = (name, values) => values.map((value) => [value, t(`studio.lorebook.${name}.${value}`)]);

/** A comma parts keys, but not within a pattern. */
const splitKeys = (text) => (text.trim().startsWith("/") ? text.split("\n") : text.split(/[,\n]/));

/** Of an entry; `changed(entry)` hears of what it becomes, `remove()` of its end. */
export function loreForm({ entry, faults, changed, remove }) {
  const before = settingsOf(entry);
  const on = { onInput: noteChange };
  const count = el("span", { className: "quiet" });
  const decorated = el("span", { className: "quiet", textContent: t("studio.lorebook.decorators") });
  const fields = {
    name: textField({ ...words("name"), max: MAX.name, ...on }),
    keys: chipsField({ ...words("keys"), split: splitKeys, ...on }),
    secondary_keys: chipsField({ ...words("secondary_keys"), split: splitKeys, ...on }),
    logic: selectField({ ...words("logic"), options: options("logic", LOGICS), ...on }),
    content: textField({ ...words("content"), rows: 4, max: MAX.content, extra: [el("p", { className: "below" }, count, decorated)], ...on }),
    constant: switchField({ ...words("constant"), ...on }),
    enabled: switchField({ ...words("enabled"), ...on }),
    order: numberField({ ...words("order"), min: -MAX.order, max: MAX.order, ...on }),
    place: selectField({ ...words("place"), options: options("place", before.place === "none" ? [...PLACES, "none"] : PLACES), ...on }),
    depth: numberField({ ...words("depth"), min: 0, max: MAX.depth, ...on }),
    probability: numberField({ ...words("probability"), min: 0, max: 100, ...on }),
    sticky: numberField({ ...words("sticky"), min: 0, max: MAX.count, ...on }),
    cooldown: numberField({ ...words("cooldown"), min: 0, max: MAX.count, ...on }),
  };
  const values = () => Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.get()]));

  function noteChange() {
    show();
    showFaults();
    changed(withSettings(entry, values()));
  }

  function show() {
    const { secondary_keys: secondary, place, content } = values();
    fields.secondary_keys.node.hidden = areAllPatterns(entry);
    fields.logic.node.hidden = secondary.length === 0 || areAllPatterns(entry);
    fields.depth.node.hidden = place !== "depth";
    decorated.hidden = !content.trimStart().startsWith("@@");
    setText(count, t("studio.tokens", { count: estimateTokens(content) }));
  }

  /** Of the keys that are still there. */
  function showFaults() {
    for (const name of ["keys", "secondary_keys"]) {
      const keys = fields[name].get().map((key) => key.trim());
      const own = faults.filter(({ key }) => keys.includes(key));
      fields[name].mark(new Set(own.map(({ key }) => keys.indexOf(key))));
      fields[name].fault(own.map(({ key, fault }) => t("studio.lorebook.key_fault", { key, fault: reasonText(fault) })).join(" "));
    }
  }

  for (const [name, field] of Object.entries(fields)) field.set(before[name]);
  show();
  showFaults();
  const { name, keys, secondary_keys: secondary, logic, content, constant, enabled, ...others } = fields;
  const nodesOf = (...all) => all.map(({ node }) => node);
  return {
    node: el("div", { className: "lore-form" }, ...nodesOf(name, keys, secondary, logic, content),
      el("div", { className: "lore-pair" }, ...nodesOf(enabled, constant)), el("div", { className: "lore-pair" }, ...nodesOf(...Object.values(others))),
      el("p", {}, button(t("studio.lorebook.delete_entry"), remove, "button small danger"))),
    focus: () => name.focus(),
  };
}
