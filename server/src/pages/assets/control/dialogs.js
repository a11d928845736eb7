// What is asked before something is changed.

import { Problem } from "../lib/api.js";
import { $, el } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { faultText } from "../lib/problems.js";

let made = 0;

function inputOf({ type = "text", options, value = "", lines, ...properties }, id) {
  if (type === "checks") {
    const checks = options.map(([name, text]) => el("label", { className: "choice" },
      el("input", { type: "checkbox", value: name, defaultChecked: value.includes(name) }), el("span", { textContent: text, dir: "ltr" })));
    return el("div", { className: "checks", role: "group" }, ...checks);
  }
  if (options) {
    const select = el("select", { id }, ...options.map(([of, text]) => el("option", { value: of, textContent: text })));
    select.value = value;
    return select;
  }
  const input = lines ? el("textarea", { id, rows: lines }) : el("input", { id, type, autocomplete: "off" });
  return Object.assign(input, properties, { value });
}

/** A field with its label, its help and a place for what is wrong with it. */
function newField({ name, path, label, help, ...input }) {
  made += 1;
  const id = `control-field-${made}`;
  const control = inputOf(input, id);
  const fault = el("span", { className: "fault", id: `${id}-fault` });
  control.setAttribute("aria-describedby", fault.id);
  if (input.type === "checks") control.ariaLabel = label;
  const words = input.type === "checks" ? el("span", { textContent: label }) : el("label", { htmlFor: id, textContent: label });
  const node = el(
    "div", { className: "field" }, words, control, ...(help ? [el("span", { className: "help", textContent: help })] : []), fault,
  );
  const value = () => input.type === "checks"
    ? [...control.querySelectorAll(":checked")].map((check) => check.value)
    : control.value.trim();
  const show = (message) => {
    fault.textContent = message;
    control.ariaInvalid = String(message !== "");
  };
  return { name, path, node, control, value, show };
}

/** The field that a fault of the API is of: `token.scopes[0]` is of the field with this path, else of the one called `scopes`. */
const fieldOf = (fields, said) =>
  fields.find(({ path }) => said === path) ?? fields.find(({ name, path }) => !path && said.split(/[.[\]]+/).includes(name));

/** Faults beside the fields that they are of; what belongs to none is returned. */
function showFaults(fields, { message, errors = [] }) {
  const beside = new Map(errors.map((error) => [fieldOf(fields, error.field), faultText(error.message)]));
  for (const field of fields) field.show(beside.get(field) ?? "");
  const rest = errors.filter((error) => !fieldOf(fields, error.field)).map((error) => faultText(error.message));
  return rest.join(" ") || (errors.length ? "" : message);
}

/** Why something is done, for the audit log. */
export const reasonField = () =>
  ({ name: "reason", label: t("control.reason_label"), help: t("control.reason_help"), maxLength: 500, required: true });

/**
 * Asks in a dialog, with fields as those of `newField`, and sends what was entered while it is still open: what is wrong
 * is said beside the fields. Resolves to the values, or null for no.
 */
export function ask({ title, text = "", fields: wanted = [], content = [], yes, danger = false, send = async () => {} }) {
  const fields = wanted.map(newField);
  const fault = el("p", { className: "fault", role: "alert" });
  const sender = el("button", { className: danger ? "primary danger" : "primary", textContent: yes });
  const no = el("button", { type: "button", className: "button plain", textContent: t("common.cancel") });
  made += 1;
  const heading = el("h2", { textContent: title, id: `control-title-${made}`, dir: "auto" });
  const about = text ? [el("p", { className: "quiet", textContent: text })] : [];
  const parts = [heading, ...about, ...content, ...fields.map(({ node }) => node), fault, el("p", { className: "actions" }, no, sender)];
  const form = el("form", { noValidate: true, className: "ask-form" }, ...parts);
  const dialog = el("dialog", { className: "dialog control-dialog" }, form);
  dialog.setAttribute("aria-labelledby", heading.id);
  let values = null;
  no.onclick = () => dialog.close();
  form.onsubmit = async (event) => {
    event.preventDefault();
    if (sender.ariaBusy === "true") return;
    const entered = Object.fromEntries(fields.map((field) => [field.name, field.value()]));
    for (const field of fields) field.show(field.control.required && entered[field.name] === "" ? t("problems.field.empty") : "");
    if (form.querySelector("[aria-invalid=true]")) return form.querySelector("[aria-invalid=true]").focus();
    sender.ariaBusy = "true";
    try {
      await send(entered);
      values = entered;
      dialog.close();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      fault.textContent = showFaults(fields, problem);
      form.querySelector("[aria-invalid=true]")?.focus();
    } finally {
      sender.ariaBusy = null;
    }
  };
  document.body.append(dialog);
  dialog.showModal();
  (fields[0]?.control ?? no).focus();
  return new Promise((resolve) => dialog.addEventListener("close", () => {
    dialog.remove();
    // What was pressed may be gone.
    if (document.activeElement === document.body) $("main").focus();
    resolve(values);
  }));
}
