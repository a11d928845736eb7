// The events of a request: when each came and how much it said, never what. One after the other, also at their own pace.

import { call } from "../lib/api.js";
import { el, setText } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";
import { formatMs } from "./format.js";
import { button, code } from "./parts.js";

const COLOURS = { "reply.completed": "good", "request.failed": "danger", "request.cancelled": "warn", "reply.reset": "warn" };

/** A button that shows the events of this request in its place. */
export function eventsPart(id) {
  const node = el("div", { className: "events" });
  node.append(button(t("control.events.show"), async () => {
    const { items } = await call("GET", `/admin/requests/${id}/events`);
    node.replaceChildren(el("h3", { textContent: t("control.events.title") }),
      ...(items.length ? replay(items) : [el("p", { className: "quiet", textContent: t("control.events.none") })]));
    node.querySelector("button")?.focus();
  }));
  return node;
}

/** Each with the milliseconds since the first, and the characters that the reply has after it. */
export function stepsOf(items) {
  const first = Date.parse(items[0]?.at);
  let length = 0;
  return items.map((item) => {
    length = item.keep ?? length + (item.type === "reply.delta" ? item.characters ?? 0 : 0);
    return { ...item, ms: Date.parse(item.at) - first, length };
  });
}

function replay(items) {
  const steps = stepsOf(items);
  const rows = steps.map(stepRow);
  const list = el("ol", { className: "timeline scrolls", tabIndex: 0, ariaLabel: t("control.events.title") }, ...rows);
  const about = el("span", { className: "quiet" });
  const tool = (image, label, onclick) => el("button", { type: "button", className: "tool", ariaLabel: label, title: label, onclick }, icon(image, "turns"));
  const previous = tool("chevron-left", t("control.events.previous"), () => step(-1));
  const next = tool("chevron-right", t("control.events.next"), () => step(1));
  const play = el("button", { type: "button", className: "button small", onclick: () => (timer ? pause() : begin()) });
  let at = steps.length - 1;
  let timer = 0;

  function show(to) {
    rows[at].removeAttribute("aria-current");
    at = to;
    rows[at].setAttribute("aria-current", "step");
    list.scrollTop = rows[at].offsetTop - list.clientHeight / 2;
    setText(about, t("control.events.at", { number: at + 1, count: steps.length, time: formatMs(steps[at].ms), length: steps[at].length }));
    // Not `disabled`: the one that has the focus would lose it.
    previous.ariaDisabled = String(at === 0);
    next.ariaDisabled = String(at === steps.length - 1);
  }

  function step(by) {
    pause();
    if (steps[at + by]) show(at + by);
  }

  function pause() {
    clearTimeout(timer);
    timer = 0;
    setText(play, t("control.events.play"));
  }

  function begin() {
    if (at === steps.length - 1) show(0);
    setText(play, t("control.events.pause"));
    goOn();
  }

  function goOn() {
    if (!list.isConnected || at === steps.length - 1) return pause();
    timer = setTimeout(() => (show(at + 1), goOn()), steps[at + 1].ms - steps[at].ms);
    return undefined;
  }

  // What moves by itself is left out for who wants no motion: the steps stay.
  play.hidden = matchMedia("(prefers-reduced-motion: reduce)").matches;
  pause();
  requestAnimationFrame(() => show(at));
  return [el("p", { className: "replay" }, previous, play, next, about), list];
}

function stepRow({ type, ms, characters, keep, code: problem }) {
  const words = [
    Number.isInteger(characters) && t("control.events.characters", { count: characters }),
    Number.isInteger(keep) && t("control.events.keep", { count: keep }),
  ].filter(Boolean).join(" · ");
  return el("li", {}, el("span", { className: "since", textContent: formatMs(ms) }),
    el("span", { className: `dot ${COLOURS[type] ?? (type === "reply.delta" ? "accent" : "")}`.trim(), ariaHidden: "true" }),
    el("span", { className: "what" }, code(type), el("span", { className: "quiet", textContent: words }), ...(problem ? [code(problem)] : [])));
}
