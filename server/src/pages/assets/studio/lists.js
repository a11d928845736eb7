// Fields that are lists: chips that are added, moved and taken out, and texts one below the other.

import { el, speak } from "../lib/dom.js";
import { icon } from "../lib/icons.js";
import { t } from "../lib/i18n.js";
import { button, frame, tool } from "./fields.js";

/**
 * Chips. `known` are `[value, text]` to choose from; `textOf` shows a value, `split` parts what was typed, `normal` makes
 * a value of a part. Where the order counts (`isOrdered`), chips can be moved.
 */
export function chipsField({
  name, label, about, placeholder = "", known = [], textOf = String, split = (text) => text.split(/[,;\n]/),
  normal = (text) => text.trim(), isOrdered = false, dir = "auto", onInput,
}) {
  let values = [];
  const list = el(isOrdered ? "ol" : "ul", { className: "chip-list", ariaLabel: label });
  const options = el("datalist", { id: `studio-${name}-known` }, ...known.map(([value, text]) => el("option", { value, label: text })));
  const ariaLabel = t("studio.list.add_to", { name: label });
  const input = el("input", { name, placeholder, ariaLabel, autocomplete: "off", autocapitalize: "none", dir });
  if (known.length) input.setAttribute("list", options.id);

  function change(next, focus) {
    values = next;
    render();
    focus?.();
    onInput?.();
  }

  function add() {
    const added = split(input.value).map(normal).filter((value) => value && !values.includes(value));
    input.value = "";
    if (added.length) change([...values, ...new Set(added)]);
  }

  function remove(at) {
    speak(t("studio.list.removed", { name: textOf(values[at]) }));
    change(values.toSpliced(at, 1), () => (list.children[Math.min(at, values.length - 1)]?.querySelector(".out") ?? input).focus());
  }

  function move(at, by) {
    const moved = values.toSpliced(at, 1).toSpliced(at + by, 0, values[at]);
    const which = by < 0 ? ".earlier" : ".later";
    change(moved,
      () => (list.children[at + by].querySelector(`${which}:not(:disabled)`) ?? list.children[at + by].querySelector(".out")).focus());
    speak(t("studio.list.moved", { name: textOf(values[at + by]), place: at + by + 1 }));
  }

  function chip(value, at) {
    const text = textOf(value);
    const [earlier, later] = [["earlier", -1, "chevron-left"], ["later", 1, "chevron-right"]].map(([className, by, image]) => {
      const label = t(`studio.list.${className}`, { name: text });
      const mover = el("button", { type: "button", className, ariaLabel: label, title: label, onclick: () => move(at, by) },
        icon(image, "small", "turns"));
      mover.disabled = !(at + by in values);
      return mover;
    });
    const label = t("studio.list.remove", { name: text });
    const out = el("button", { type: "button", className: "out", ariaLabel: label, title: label, onclick: () => remove(at) },
      icon("close", "small"));
    const moving = isOrdered && values.length > 1;
    return el("li", { className: "chip" }, ...(moving ? [earlier] : []), el("span", { textContent: text, dir }),
      ...(moving ? [later] : []), out);
  }

  function render() {
    list.replaceChildren(...values.map(chip));
    list.hidden = values.length === 0;
  }

  input.onkeydown = (event) => {
    if (event.key !== "Enter" && !(event.key === "," && split(`${input.value},`).length > 1)) return;
    event.preventDefault();
    add();
  };
  input.onchange = add;
  const adder = el("div", { className: "adder" }, input, button(t("studio.list.add"), () => (add(), input.focus())), options);
  const framed = frame({ name, label, about, isGroup: true }, list, adder);
  render();
  return {
    ...framed,
    focus: () => input.focus(),
    /** `faults` are by the place of a chip. */
    mark: (places) => [...list.children].forEach((node, at) => node.classList.toggle("is-wrong", places.has(at))),
    get: () => values,
    set: (next) => ((values = [...(next ?? [])]), render()),
  };
}

/** Texts, the first of which is what it is called after; empty ones do not count. */
export function textsField({ name, label, about, first, other, max, onInput }) {
  const list = el("div", { className: "texts" });
  const texts = () => [...list.querySelectorAll("textarea")];

  function add(value = "") {
    const input = el("textarea", { value, rows: 3, maxLength: max, dir: "auto", oninput: () => onInput?.() });
    const row = el("div", { className: "text-row" }, input, tool("close", t("studio.list.remove_text"), () => {
      const beside = row.nextElementSibling ?? row.previousElementSibling;
      row.remove();
      number();
      (beside?.querySelector("textarea") ?? adder).focus();
      onInput?.();
    }));
    list.append(row);
    number();
    return input;
  }

  const number = () => texts().forEach((input, at) => (input.ariaLabel = at ? t(other, { number: at + 1 }) : t(first)));
  const adder = button(t("studio.list.add_text"), () => add().focus());
  return {
    ...frame({ name, label, about, isGroup: true }, list, el("div", {}, adder)),
    focus: () => (texts()[0] ?? adder).focus(),
    get: () => texts().map(({ value }) => value).filter((text) => text.trim()),
    set(values) {
      list.replaceChildren();
      (values ?? []).forEach((value) => add(value));
    },
  };
}
