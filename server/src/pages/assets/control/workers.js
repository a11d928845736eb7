// Workers: what each does, and how they are paused, drained, resumed and resized.

import { call } from "../lib/api.js";
import { el, toast } from "../lib/dom.js";
import { formatRelative, t } from "../lib/i18n.js";
import { openSheet } from "../lib/panel.js";
import { ask, reasonField } from "./dialogs.js";
import { formatSince, shortId } from "./format.js";
import { button, code, facts, idNode, newMeter, opener, rowButton, state } from "./parts.js";
import { newTable } from "./table.js";
import { openRequest } from "./waiting.js";

const MAX_SHOWN = 3;
const COLOURS = { active: "good", paused: "warn", draining: "accent" };

/** The table of workers; `changed` is called when one has been changed. */
export function newWorkers({ canChange, changed }) {
  return newTable({
    caption: t("control.workers.title"), none: t("control.workers.none"), noneIcon: "warning", keyOf: ({ name }) => name,
    columns: [
      {
        title: t("control.workers.worker"), show: (worker) => nameCell(worker, canChange),
        same: ({ state: wanted, alive, reason }) => `${wanted} ${alive} ${reason}`,
      },
      { title: t("control.workers.slots"), show: loadCell, same: ({ running, slots }) => `${running.length} ${slots}` },
      { title: t("control.workers.doing"), show: (worker) => doingCell(worker, canChange), kind: "wide", same: doingOf },
      { title: t("control.workers.seen"), text: ({ seen_at: seen }) => formatRelative(seen) },
      canChange && {
        kind: "acts", show: (worker) => actionsOf(worker, changed),
        // How much it does is told before it is drained.
        same: ({ state: wanted, alive, slots, running, running_jobs: jobs }) => `${wanted} ${alive} ${slots} ${running.length + jobs.length}`,
      },
    ],
  });
}

/** The state as it is shown: what is not alive is nothing else. */
export const stateOf = ({ alive, state: wanted }) => (alive ? wanted : "gone");

function nameCell(worker, canChange) {
  const shown = stateOf(worker);
  const name = opener(shortId(worker.name), () => openWorker(worker, canChange), worker.name);
  const reason = worker.reason ? [
    el("span", { className: "quiet reason", textContent: t("control.workers.because", { reason: worker.reason }), dir: "auto" }),
  ] : [];
  return el("div", { className: "stack" }, name, state(COLOURS[shown] ?? "danger", t(`control.worker.${shown}`)), ...reason);
}

function loadCell({ running, slots }) {
  const meter = newMeter(t("control.workers.slots"));
  meter.show(running.length, slots);
  return el(
    "div", { className: "stack load" }, el("span", { textContent: t("control.of", { part: running.length, whole: slots }) }), meter.node,
  );
}

const doingOf = ({ running, running_jobs: jobs }) => JSON.stringify([running.map(({ request_id: id }) => id), jobs.map(({ id }) => id)]);

function doingCell(worker, canChange) {
  const { running, running_jobs: jobs } = worker;
  const all = [
    ...running.map(({ persona, tier }) => t("control.workers.replying", { persona, tier })),
    ...jobs.map(({ kind }) => kind),
  ];
  if (!all.length) return el("span", { className: "quiet", textContent: t("control.workers.idle") });
  const more = all.length - MAX_SHOWN;
  const chips = all.slice(0, MAX_SHOWN).map((textContent) => el("span", { className: "chip tiny", textContent, dir: "auto" }));
  const open = { type: "button", className: "chip tiny", textContent: t("control.workers.more", { count: more }), onclick: () => openWorker(worker, canChange) };
  if (more > 0) chips.push(el("button", open));
  return el("div", { className: "chips tight" }, ...chips);
}

const workRow = (title, about, act) =>
  el("li", {}, el("span", { className: "what" }, title, el("span", { className: "quiet", textContent: about })), act);

function replyRow({ request_id: id, persona, tier, started_at: started, attempt }, canChange) {
  const title = el("strong", { textContent: t("control.workers.replying", { persona, tier }), dir: "auto" });
  const about = t("control.workers.since", { time: formatSince(started), attempt });
  return workRow(title, about, button(t("control.waiting.look"), () => openRequest(id, canChange)));
}

function openWorker(worker, canChange) {
  const { running, running_jobs: jobs } = worker;
  const replies = running.map((reply) => replyRow(reply, canChange));
  const others = jobs.map((job) => workRow(code(job.kind), formatSince(job.started_at), idNode(job.id)));
  openSheet(t("control.workers.one", { name: shortId(worker.name) }),
    facts([
      [t("control.workers.state"), t(`control.worker.${stateOf(worker)}`)],
      [t("control.workers.reason"), worker.reason],
      [t("control.workers.name"), idNode(worker.name)],
      [t("control.workers.version"), worker.version],
      [t("control.workers.started"), formatRelative(worker.started_at)],
      [t("control.workers.seen"), formatRelative(worker.seen_at)],
      [t("control.workers.slots"), t("control.of", { part: running.length, whole: worker.slots })],
      [t("control.workers.kinds"), worker.kinds.map((kind) => code(kind, "in-list"))],
    ]),
    el("h3", { textContent: t("control.workers.doing") }),
    replies.length + others.length ? el("ul", { className: "rows" }, ...replies, ...others) : el(
      "p", { className: "quiet", textContent: t("control.workers.idle") },
    ));
}

/** A worker that drains, or is gone, can only be looked at. */
function actionsOf(worker, changed) {
  if (stateOf(worker) === "gone" || worker.state === "draining") return [];
  const pausing = worker.state === "paused" ? "resume" : "pause";
  const named = (text, run) => rowButton(text, shortId(worker.name), run);
  return [el("div", { className: "acts-row" },
    named(t(`control.workers.${pausing}`), () => change(worker, pausing, changed)),
    named(t("control.workers.resize"), () => resize(worker, changed)),
    named(t("control.workers.drain"), () => drain(worker, changed)))];
}

const send = (worker, body) => call("PATCH", `/admin/workers/${worker.name}`, { body });

async function change(worker, verb, changed) {
  const wanted = verb === "pause" ? "paused" : "active";
  const done = await ask({
    title: t(`control.workers.${verb}_title`), text: t(`control.workers.${verb}_text`), fields: [reasonField()],
    yes: t(`control.workers.${verb}`),
    send: ({ reason }) => send(worker, { state: wanted, reason }),
  });
  if (done) await finish(t(`control.workers.${verb}_done`), changed);
}

async function resize(worker, changed) {
  const done = await ask({
    title: t("control.workers.resize_title"), text: t("control.workers.resize_text"), yes: t("control.workers.resize"),
    fields: [
      { name: "concurrency", label: t("control.workers.concurrency"), type: "number", value: String(worker.slots), min: 1, max: 10_000 },
      reasonField(),
    ],
    send: ({ concurrency, reason }) => send(worker, { concurrency: Number(concurrency), reason }),
  });
  if (done) await finish(t("control.workers.resize_done"), changed);
}

/** Asks twice: it cannot be taken back. */
async function drain(worker, changed) {
  const count = worker.running.length + worker.running_jobs.length;
  const first = await ask({
    title: t("control.workers.drain_title"), text: t("control.workers.drain_text", { count }), fields: [reasonField()],
    yes: t("control.go_on"),
  });
  if (!first) return;
  const second = await ask({
    title: t("control.workers.drain_sure", { name: shortId(worker.name) }), text: t("control.workers.drain_sure_text"),
    yes: t("control.workers.drain"), danger: true,
    send: () => send(worker, { state: "draining", reason: first.reason }),
  });
  if (second) await finish(t("control.workers.drain_done"), changed);
}

async function finish(text, changed) {
  toast(text);
  await changed();
}
