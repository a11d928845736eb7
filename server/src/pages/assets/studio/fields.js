// Fields of forms: each with its label, a line about it, and a place for what is wrong. All of them are
// `{name, node, get(), set(value), fault(text), focus()}`; `onInput` hears of every change.

import { el, setText } from "../lib/dom.js";
import { icon } from "../lib/icons.js";

export const button = (textContent, onclick, className = "button small") => el("button", { type: "button", className, textContent, onclick });

export const tool = (iconName, label, onclick) =>
  el("button", { type: "button", className: "tool", ariaLabel: label, title: label, onclick }, icon(iconName, "small"));

export const section = (title, about, ...children) => el("section", { className: "studio-section" },
  el("header", {}, el("h3", { textContent: title }), el("p", { className: "quiet", textContent: about })), ...children);

let made = 0;

/** The label, the line about it and the place of faults for a control, or for several that are a group. */
export function frame({ name, label, about, isGroup = false }, ...controls) {
  const id = `studio-${name}-${(made += 1)}`;
  const help = el("span", { className: "help", id: `${id}-help`, textContent: about ?? "", hidden: !about });
  const wrong = el("span", { className: "fault", id: `${id}-fault` });
  const heading = isGroup ? el("legend", { textContent: label }) : el("label", { textContent: label, htmlFor: id });
  const node = el(isGroup ? "fieldset" : "div", { className: "field" }, heading, help, ...controls, wrong);
  const target = isGroup ? node : controls.find((control) => control.matches("input, textarea, select")) ?? controls[0];
  if (!isGroup) target.id = id;
  target.setAttribute("aria-describedby", `${help.id} ${wrong.id}`);
  return {
    name,
    node,
    fault(text) {
      setText(wrong, text);
      if (!isGroup) target.ariaInvalid = String(Boolean(text));
    },
    focus: () => (isGroup ? node.querySelector("input, textarea, button") : target)?.focus(),
  };
}

export function textField({ name, label, about, max, rows, onInput, onBlur, extra = [], ...more }) {
  const input = el(rows ? "textarea" : "input",
    { name, dir: "auto", autocomplete: "off", ...(rows && { rows }), ...(max && { maxLength: max }), ...more });
  input.addEventListener("input", () => onInput?.());
  if (onBlur) input.addEventListener("blur", onBlur);
  return {
    ...frame({ name, label, about }, input, ...extra),
    input,
    get: () => (rows ? input.value : input.value.trim()),
    set: (value) => (input.value = value ?? ""),
  };
}

/** A whole number; what is none is the one before. */
export function numberField({ name, label, about, min, max, onInput }) {
  const input = el("input", { type: "number", name, min, max, step: 1, inputMode: "numeric" });
  let value = min;
  const read = () => {
    const typed = Math.trunc(Number(input.value));
    if (input.value.trim() !== "" && Number.isFinite(typed)) value = Math.min(max, Math.max(min, typed));
  };
  input.oninput = () => (read(), onInput?.());
  input.onblur = () => (input.value = value);
  return { ...frame({ name, label, about }, input), get: () => value, set: (next) => (input.value = value = next) };
}

/** `options` are `[value, text]`; the line about it is that of the option that is chosen, where there is one. */
export function selectField({ name, label, about: fixed, options, aboutOf, onInput }) {
  const select = el("select", { name }, ...options.map(([value, textContent]) => el("option", { value, textContent })));
  const about = el("span", { className: "help" });
  const show = () => setText(about, aboutOf?.(select.value) ?? fixed ?? "");
  select.onchange = () => (show(), onInput?.());
  show();
  return { ...frame({ name, label }, select, about), get: () => select.value, set: (value) => ((select.value = value), show()) };
}

export function switchField({ name, label, about, onInput }) {
  const input = el("input", { type: "checkbox", className: "switch", name, onchange: () => onInput?.() });
  const id = `studio-${name}-${(made += 1)}`;
  const help = el("span", { className: "help", id, textContent: about });
  input.setAttribute("aria-describedby", id);
  const wrong = el("span", { className: "fault" });
  const node = el("div", { className: "field" },
    el("label", { className: "choice turned" }, input, el("span", { textContent: label })), help, wrong);
  return {
    name, node, get: () => input.checked, set: (value) => (input.checked = Boolean(value)),
    fault: (text) => setText(wrong, text), focus: () => input.focus(),
  };
}

/** One of a few, each with a line about it. `options` are `[value, text, about, icon]`. */
export function optionsField({ name, label, about, options, onInput }) {
  const group = `studio-${name}-${(made += 1)}`;
  const inputs = options.map(([value]) => el("input", { type: "radio", name: group, value, onchange: () => onInput?.() }));
  const cards = options.map(([, text, line, iconName], at) => el("label", { className: "option" }, inputs[at],
    ...(iconName ? [icon(iconName)] : []), el("span", {}, el("strong", { textContent: text }),
      el("span", { className: "help", textContent: line }))));
  return {
    ...frame({ name, label, about, isGroup: true }, el("div", { className: "options" }, ...cards)),
    get: () => inputs.find(({ checked }) => checked)?.value ?? null,
    set: (value) => inputs.forEach((input) => (input.checked = input.value === value)),
  };
}

/** A slider whose place has a name: `wordOf(value)`. */
export function rangeField({ name, label, about, min, max, step, wordOf, ends, onInput }) {
  const input = el("input", { type: "range", name, min, max, step });
  const word = el("output", { className: "range-word" });
  const show = () => {
    setText(word, wordOf(Number(input.value)));
    input.ariaValueText = word.textContent;
  };
  input.oninput = () => (show(), onInput?.());
  const scale = el("span", { className: "range-ends quiet", ariaHidden: "true" },
    ...ends.map((textContent) => el("span", { textContent })));
  const framed = frame({ name, label, about }, input, scale);
  framed.node.firstChild.append(" ", word);
  return { ...framed, get: () => Number(input.value), set: (value) => ((input.value = value), show()) };
}
