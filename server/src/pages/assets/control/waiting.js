// Why a request waits: its reasons in words, its attempts, and whom each of them asked.

import { Problem, call } from "../lib/api.js";
import { el, toast } from "../lib/dom.js";
import { daysAgo, formatDate, formatRelative, hasText, t } from "../lib/i18n.js";
import { openSheet } from "../lib/panel.js";
import { ask, reasonField } from "./dialogs.js";
import { eventsPart } from "./events.js";
import { formatMs, formatMoney, shortId } from "./format.js";
import { button, facts, idNode, newPanel, state } from "./parts.js";

const COLOURS = { queued: "warn", in_progress: "accent", completed: "good", failed: "danger", cancelled: "" };

/** A field for the id of a request, and what is known of it. */
export function waitingPanel({ canChange }) {
  const input = el(
    "input",
    { name: "request", className: "input mono", autocomplete: "off", spellcheck: false, dir: "ltr", placeholder: t("control.waiting.id") },
  );
  input.ariaLabel = t("control.waiting.id");
  const answer = el("div", { className: "answer", role: "status" });
  const look = el("button", { className: "primary", textContent: t("control.waiting.submit") });
  const form = el("form", { className: "ask-line" }, input, look);
  form.onsubmit = async (event) => {
    event.preventDefault();
    const id = input.value.trim();
    if (!id || look.ariaBusy === "true") return input.focus();
    look.ariaBusy = "true";
    await explain(answer, id, canChange);
    look.ariaBusy = null;
    return undefined;
  };
  const panel = newPanel(
    { title: t("control.waiting.title"), about: t("control.waiting.about"), content: [form, answer], read: async () => {} },
  );
  panel.refresh();
  return panel.node;
}

/** Shows what is known of a request, or why nothing is. */
async function explain(root, id, canChange) {
  try {
    const request = await call("GET", `/admin/requests/${encodeURIComponent(id)}/waiting`);
    root.replaceChildren(...describe(request, canChange, () => explain(root, id, canChange)));
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    const text = problem.status === 404 || problem.status === 422 ? t("control.waiting.unknown") : problem.message;
    root.replaceChildren(el("p", { className: "notice warn", textContent: text }));
  }
}

export async function openRequest(id, canChange) {
  const { body } = openSheet(t("control.waiting.sheet", { id: shortId(id) }));
  await explain(body, id, canChange);
}

/** Asks twice: what was asked is not answered any more. */
async function cancel(id, changed) {
  const first = await ask({
    title: t("control.cancel.title"), text: t("control.cancel.text"), fields: [reasonField()], yes: t("control.go_on"),
  });
  if (!first) return;
  const second = await ask({
    title: t("control.cancel.sure", { id: shortId(id) }), text: t("control.no_way_back"), yes: t("control.cancel.button"), danger: true,
    send: () => call("POST", `/admin/requests/${id}/cancel`, { body: { reason: first.reason } }),
  });
  if (!second) return;
  toast(t("control.cancel.done"));
  await changed();
}

function describe(
  { request_id: id, user_id: user, tier, status, attempt, created_at: created, reasons, attempts, redriven_as: redriven }, canChange, changed,
) {
  const isOpen = status === "queued" || status === "in_progress";
  const stop = canChange && isOpen ? [el("p", {}, button(t("control.cancel.button"), () => cancel(id, changed), "button small danger"))] : [];
  return [
    el("ul", { className: "reasons" }, ...reasons.map((reason) => reasonRow(reason, canChange))),
    ...stop,
    facts([
      [t("control.waiting.status"), state(COLOURS[status], t(`control.status.${status}`))],
      [t("control.waiting.request"), idNode(id)],
      [t("control.waiting.user"), idNode(user)],
      [t("control.waiting.tier"), tier],
      [t("control.waiting.asked"), `${formatDate(created)} · ${formatRelative(created)}`],
      [t("control.waiting.attempt"), String(attempt)],
      [t("control.waiting.redriven"), redriven && idNode(redriven)],
    ]),
    ...attemptsOf(attempts),
    eventsPart(id),
  ];
}

const formatMoment = (time) => formatDate(
  time, daysAgo(time) === 0 ? { timeStyle: "medium" } : { dateStyle: "short", timeStyle: "medium" },
);

/** A reason of a request or of a job. What a server of another version says is shown as it says it. */
export function reasonRow({ code, detail, request_id: request, worker, jobs, since, until }, canChange) {
  const key = `control.reason.${code}`;
  const words = hasText(key) ? t(key) : detail;
  const more = [
    Number.isFinite(jobs) && t("control.reasons.jobs", { count: jobs }),
    since && t("control.reasons.since", { time: formatMoment(since) }),
    until && t("control.reasons.until", { time: formatMoment(until) }),
    worker && t("control.reasons.worker", { worker: shortId(worker) }),
  ].filter(Boolean).join(" · ");
  const ahead = request ? [button(t("control.reasons.ahead"), () => openRequest(request, canChange))] : [];
  const text = el(
    "span", { className: "what" }, el("strong", { textContent: words }),
    ...(more ? [el("span", { className: "quiet", textContent: more })] : []),
  );
  return el("li", {}, text, ...ahead);
}

/** The attempts so far, each with the services that it asked. */
export function attemptsOf(attempts) {
  if (!attempts.length) return [];
  return [el("h3", { textContent: t("control.attempts.title") }), el("ol", { className: "attempts" }, ...attempts.map(attemptRow))];
}

function attemptRow({ number, outcome, cause, worker, started_at: started, finished_at: finished, provider, model, tries }) {
  const took = formatMs(Date.parse(finished) - Date.parse(started));
  const key = `control.attempts.outcome.${outcome}`;
  const about = [
    formatDate(started, { dateStyle: "short", timeStyle: "medium" }), took, provider && `${provider} · ${model}`,
    t("control.reasons.worker", { worker: shortId(worker) }),
  ];
  return el("li", {},
    el(
      "p", {}, el("strong", { textContent: t("control.attempts.number", { number }) }), " ",
      el("span", { className: "chip tiny", textContent: hasText(key) ? t(key) : outcome }),
    ),
    el("p", { className: "quiet", textContent: about.filter(Boolean).join(" · ") }),
    ...(cause ? [el("p", { className: "cause", textContent: cause, dir: "auto" })] : []),
    el("ul", { className: "rows tries" }, ...tries.map(tryRow)));
}

function tryRow({ provider, model, key, outcome, ms, first_word_ms: first, cost, hedge }) {
  const text = `chat.details.outcome.${outcome}`;
  const words = [
    hasText(text) ? t(text) : outcome, formatMs(ms), first && t("control.attempts.first_word", { time: formatMs(first) }),
    cost > 0 && formatMoney(cost), hedge && t("chat.details.hedge"),
  ];
  const colour = { completed: "good", outrun: "" }[outcome] ?? "warn";
  return el("li", {}, el("span", { className: `dot ${colour}`, ariaHidden: "true" }), el("span", { className: "what" },
    el("strong", { textContent: [provider, key, model].filter(Boolean).join(" · "), dir: "ltr" }),
    el("span", { className: "quiet", textContent: words.filter(Boolean).join(" · ") })));
}
