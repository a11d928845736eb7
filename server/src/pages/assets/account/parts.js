// The parts that the sections of the account page are made of.

import { el } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { faultText } from "../lib/problems.js";

export const button = (textContent, onclick, className = "button small") => el("button", { type: "button", className, textContent, onclick });

export function panel(name, ...children) {
  return el("section", { className: "panel" },
    el("h2", { textContent: t(`account.${name}.title`) }), el("p", { className: "quiet", textContent: t(`account.${name}.about`) }), ...children);
}

export const list = (label) => el("ul", { className: "rows", ariaLabel: label });

export function row(title, about, ...actions) {
  const what = el("span", { className: "what" }, el("strong", { className: "aligned", textContent: title, dir: "auto" }), el("span", { className: "quiet", textContent: about }));
  return el("li", {}, what, ...actions);
}

/** A field with its label, and a place for what is wrong with it. */
export function field(label, properties) {
  const id = `account-${properties.name}`;
  const fault = el("span", { className: "fault", id: `${id}-fault` });
  const input = el("input", { id, ...properties });
  input.setAttribute("aria-describedby", fault.id);
  return el("label", { className: "field" }, label, input, fault);
}

/** The names of fields in the API, where the form has others. */
const FIELDS = { current_password: "current", password: "next", name: "key", expires_in_days: "days" };

/** The faults of a problem by the field of the form that they belong beside; all others below. */
export function faultsOf({ message, errors }, names) {
  const beside = new Map();
  const below = [];
  for (const { field: said, message: fault } of errors) {
    const name = FIELDS[said] ?? said;
    if (names.includes(name)) beside.set(name, faultText(fault));
    else below.push(faultText(fault));
  }
  return { beside, below: below.join(" ") || (beside.size ? "" : message) };
}

/** A form that says beside its fields, and below, what is wrong with it. */
export function form(submit, send, ...fields) {
  const fault = el("p", { className: "fault", role: "alert" });
  const sender = el("button", { className: "primary", textContent: submit });
  const whole = el("form", { noValidate: true }, ...fields, fault, sender);

  function showFaults(problem) {
    const { beside, below } = faultsOf(problem, [...whole.elements].map(({ name }) => name));
    for (const input of whole.querySelectorAll("input[aria-describedby]")) {
      whole.querySelector(`#${input.id}-fault`).textContent = beside.get(input.name) ?? "";
      input.ariaInvalid = String(beside.has(input.name));
    }
    fault.textContent = below;
    whole.querySelector("[aria-invalid=true]")?.focus();
  }

  whole.onsubmit = async (event) => {
    event.preventDefault();
    if (sender.disabled) return;
    sender.disabled = true;
    showFaults({ message: "", errors: [] });
    try {
      await send(whole.elements);
      whole.reset();
    } catch (problem) {
      if (!problem.errors) throw problem;
      showFaults(problem);
    } finally {
      sender.disabled = false;
    }
  };
  return whole;
}
