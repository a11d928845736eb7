// The parts that the sections of the control room are made of.

import { Problem, call } from "../lib/api.js";
import { attempt, el, setText, toast } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";
import { openMenu } from "../lib/menu.js";
import { shortId } from "./format.js";

const SPIN_AFTER_MS = 200;

/** A button that is busy while what it does goes on; its failure is told. */
export function button(textContent, run, className = "button small") {
  const node = el("button", { type: "button", className, textContent });
  let isBusy = false;
  node.onclick = async () => {
    if (isBusy) return;
    isBusy = true;
    // Not while it waits for a dialog, which is in front of it.
    const spin = setTimeout(() => document.querySelector("dialog[open]") || (node.ariaBusy = "true"), SPIN_AFTER_MS);
    try {
      await run(node);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (problem.status !== 401) toast(problem.message);
    } finally {
      clearTimeout(spin);
      node.ariaBusy = null;
      isBusy = false;
    }
  };
  return node;
}

/**
 * A part of a section that reads for itself: it says in words when it cannot, and takes no other part with it. What it
 * showed before stays.
 */
export function newPanel({ title, about, tools = [], content = [], read }) {
  const heading = el("h3", { textContent: title });
  const head = el("header", { className: "control-panel-head" },
    el("div", { className: "words" }, heading, ...(about ? [el("p", { className: "quiet", textContent: about })] : [])), ...tools);
  const fault = el("div", { role: "alert" });
  const waiting = el("div", { className: "waits", ariaHidden: "true" }, ...[1, 2, 3].map(() => el("p", { className: "skeleton" })));
  const body = el("div", { className: "control-panel-body", hidden: true }, ...content);
  const node = el("section", { className: "control-panel" }, head, fault, waiting, body);
  node.setAttribute("aria-label", title);

  async function refresh() {
    try {
      await read(body);
      body.hidden = false;
      waiting.hidden = true;
      fault.replaceChildren();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      waiting.hidden = true;
      if (problem.status !== 401) showFault(problem);
    }
  }

  function showFault({ message }) {
    const said = fault.querySelector("span");
    if (said) return setText(said, message);
    const again = button(t("common.retry"), refresh);
    fault.replaceChildren(
      el("div", { className: "notice danger fault-notice" }, icon("warning", "small"), el("span", { textContent: message }), again),
    );
    return undefined;
  }

  return { node, body, refresh };
}

export const empty = (iconName, text) => el("div", { className: "empty" }, icon(iconName), el("p", { textContent: text }));

/** A state with its colour, and its word, so that the colour is not all that tells it. */
export const state = (colour, text) =>
  el("span", { className: "state" }, el("span", { className: `dot ${colour}`, ariaHidden: "true" }), el("span", { textContent: text }));

/** The end of an id; a click copies the whole. */
export function idNode(id) {
  if (!id) return el("span", { className: "quiet", textContent: "–" });
  const node = el("button", { type: "button", className: "id", textContent: shortId(id), title: id, dir: "ltr" });
  node.ariaLabel = t("control.copy_id", { id: shortId(id) });
  node.onclick = () => navigator.clipboard?.writeText(id).then(() => toast(t("control.copied")), () => toast(id));
  return node;
}

/** A name in a table that opens what it is of. */
export const opener = (textContent, open, title = "") =>
  el("button", { type: "button", className: "link mono", textContent, title, dir: "ltr", onclick: () => attempt(async () => open()) });

/** A button in a row: for who hears it, it says on what it acts. */
export function rowButton(text, name, run, className = "button small") {
  const node = button(text, run, className);
  node.setAttribute("aria-label", t("control.act_on", { action: text, name }));
  return node;
}

/** Names that stand for themselves: codes, models, verbs. */
export const code = (textContent, className = "") => el("code", { textContent, className, dir: "ltr" });

/** Facts as pairs of a term and a text or nodes. */
export function facts(pairs) {
  const known = pairs.filter(([, shown]) => shown !== null && shown !== undefined && shown !== "");
  const nodes = known.flatMap(([term, shown]) => [el("dt", { textContent: term }), el("dd", { dir: "auto" }, ...[shown].flat())]);
  return el("dl", { className: "facts" }, ...nodes);
}

/** A number with what it is of. Returns the node, and the way to change it. */
export function newTile(title, className = "") {
  const value = el("dd", { className: "value", textContent: "–" });
  const about = el("dd", { className: "quiet about" });
  const node = el("div", { className: `tile ${className}` }, el("dt", { textContent: title }), value, about);
  return {
    node,
    show(text, more = "", colour = "") {
      setText(value, text);
      setText(about, more);
      node.dataset.colour = colour;
    },
  };
}

/** How much of something is taken. */
export function newMeter(label) {
  const bar = el("span", { className: "bar" });
  const node = el("span", { className: "meter", role: "meter", ariaLabel: label, ariaValueMin: "0" }, bar);
  return {
    node,
    show(value, max) {
      const share = max > 0 ? Math.min(1, value / max) : 0;
      bar.style.inlineSize = `${Math.round(share * 100)}%`;
      node.classList.toggle("full", share >= 1);
      node.ariaValueMax = String(max);
      node.ariaValueNow = String(value);
    },
  };
}

/** A button that opens a menu of actions. */
export function menuButton(label, items) {
  const node = el(
    "button", { type: "button", className: "tool", ariaLabel: label, ariaHasPopup: "menu", ariaExpanded: "false" }, icon("more"),
  );
  node.onclick = () => openMenu(node, items(), label);
  return node;
}

/** What is shown once, and can be copied: keys and codes. */
export function showOnce(root, about, secret) {
  const shown = el("code", { textContent: secret, dir: "ltr" });
  const copy = button(t("control.copy"), () =>
    navigator.clipboard?.writeText(secret).then(() => toast(t("control.copied")), () => getSelection().selectAllChildren(shown)));
  root.replaceChildren(el("div", { className: "notice once" }, el("p", { textContent: about }), shown, copy));
}

/** A query of those values that are not empty, with its "?". */
export function queryOf(values) {
  const given = Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

/** All items of a list that comes in pages, as far as they are worth reading. */
export async function readAll(path, limit = 500) {
  const items = [];
  for (let after = ""; after !== null && items.length < limit;) {
    const page = await call("GET", path + queryOf({ after, limit: 100 }));
    items.push(...page.items);
    after = page.next ?? null;
  }
  return items;
}
