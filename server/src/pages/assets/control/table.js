// Tables that are filled again and again, and lists that come in pages.

import { call } from "../lib/api.js";
import { el, reconcile, setText } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { button, empty } from "./parts.js";

/**
 * A table. A column is `{title, text(row)}` or `{title, show(row), same(row)}`: a text, or nodes, which are made anew when
 * `same` (the whole row, unless it is given) has changed. `kind` is a class: `number`, `mono`, `wide`, `acts`. Rows keep
 * their nodes by their keys, so that the focus stays where it is while numbers change.
 *
 * Roles are written out: on a phone each row is shown as a card, and browsers forget then that it was a table.
 */
export function newTable({ caption, columns, keyOf, none, noneIcon = "info" }) {
  const shown = columns.filter(Boolean);
  const heads = shown.map(({ title, kind = "" }) => kind === "acts"
    ? el("td", { className: kind, role: "cell" })
    : el("th", { textContent: title, className: kind, scope: "col", role: "columnheader" }));
  const rows = el("tbody", { role: "rowgroup" });
  const table = el("table", { role: "table" }, el("caption", { className: "unseen", textContent: caption }),
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...heads)), rows);
  const nothing = empty(noneIcon, none);
  const node = el("div", { className: "control-table" }, table, nothing);
  nothing.hidden = true;

  const make = () => el("tr", { role: "row" }, ...shown.map(({ title, kind = "" }, at) => {
    const cell = at === 0 ? el("th", { scope: "row", role: "rowheader", className: kind }) : el("td", { role: "cell", className: kind });
    if (kind !== "acts") cell.dataset.label = title;
    return cell;
  }));
  const update = (row, item) => shown.forEach((column, at) => updateCell(row.children[at], column, item.row));

  return {
    node,
    fill(items) {
      reconcile(rows, items.map((row) => ({ key: keyOf(row), row })), make, update);
      table.hidden = items.length === 0;
      nothing.hidden = items.length > 0;
    },
  };
}

function updateCell(cell, { text, show, same = JSON.stringify }, row) {
  if (text) return setText(cell, text(row));
  const now = same(row);
  if (cell.shown === now) return undefined;
  cell.shown = now;
  const focused = [...cell.querySelectorAll("button, a")].indexOf(document.activeElement);
  cell.replaceChildren(...[show(row)].flat().filter(Boolean));
  if (focused >= 0) cell.querySelectorAll("button, a")[focused]?.focus();
  return undefined;
}

/** The pages of a list: `read()` begins anew, a button below reads on. `fill` gets all rows that were read so far. */
export function newPages(pathOf, fill) {
  let rows = [];
  let next = null;
  let latest = 0;
  const more = button(t("control.more"), () => readPage(next), "button small more-rows");
  more.hidden = true;

  async function readPage(after = null) {
    const turn = (latest += 1);
    const page = await call("GET", pathOf(after));
    // A filter may have changed since.
    if (turn !== latest) return;
    rows = after ? [...rows, ...page.items] : page.items;
    next = page.next ?? null;
    more.hidden = next === null;
    fill(rows);
  }

  return { more, read: () => readPage() };
}

const PAUSE_MS = 250;

/** Filters above a list: fields as `{name, label, type, options, list}`; `onChange` is called when somebody has finished. */
export function newFilters(fields, onChange) {
  const node = el("form", { className: "filters" });
  let timer = 0;
  const changed = (pause) => {
    clearTimeout(timer);
    timer = setTimeout(onChange, pause);
  };
  for (const { name, label, type = "search", options, value = "", list } of fields) {
    const input = options
      ? el("select", { name }, ...options.map(([of, text]) => el("option", { value: of, textContent: text })))
      : el("input", { name, type, autocomplete: "off", spellcheck: false });
    input.value = value;
    input.className = "input";
    if (options) input.onchange = () => changed(0);
    else input.oninput = () => changed(PAUSE_MS);
    const suggestions = list ? [el("datalist", { id: `control-list-${name}` }, ...list.map((each) => el("option", { value: each })))] : [];
    if (list) input.setAttribute("list", `control-list-${name}`);
    node.append(el("label", { className: "field" }, el("span", { textContent: label }), input, ...suggestions));
  }
  node.onsubmit = (event) => {
    event.preventDefault();
    changed(0);
  };
  return {
    node, values: () => Object.fromEntries([...node.elements].filter(({ name }) => name).map(({ name, value }) => [name, value.trim()])),
  };
}
