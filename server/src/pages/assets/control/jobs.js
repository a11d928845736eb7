// Jobs that are no replies: the dead letters among them, and whatever else there is.

import { call } from "../lib/api.js";
import { el, toast } from "../lib/dom.js";
import { formatDate, formatNumber, formatRelative, t } from "../lib/i18n.js";
import { openSheet } from "../lib/panel.js";
import { settleMany } from "./bulk.js";
import { ask } from "./dialogs.js";
import { formatMoney, shortId } from "./format.js";
import { button, code, facts, idNode, newPanel, opener, queryOf, rowButton, state } from "./parts.js";
import { newFilters, newPages, newTable } from "./table.js";
import { reasonRow } from "./waiting.js";

const PATH = "/admin/jobs";
const KINDS = ["export", "deletion", "index", "vectors", "password_reset", "email_verification", "tell_browsers", "housekeeping"];
const COLOURS = { waiting: "warn", running: "accent", done: "good", failed: "danger", discarded: "" };

export function jobsPanel({ canChange }) {
  const filters = newFilters([
    {
      name: "status", label: t("control.jobs.status"), value: "failed",
      options: [...Object.keys(COLOURS).map((status) => [status, t(`control.job.${status}`)]), ["", t("control.jobs.any")]],
    },
    { name: "kind", label: t("control.jobs.kind"), list: KINDS },
  ], () => panel.refresh());
  const changed = () => panel.refresh();
  const table = newTable({
    caption: t("control.jobs.title"), none: t("control.jobs.none"), noneIcon: "check", keyOf: ({ id }) => id,
    columns: [
      { title: t("control.jobs.job"), show: (job) => opener(shortId(job.id), () => openJob(job.id, canChange), job.id), same: ({ id }) => id },
      { title: t("control.jobs.kind"), show: ({ kind }) => code(kind) },
      { title: t("control.jobs.status"), show: ({ status }) => state(COLOURS[status], t(`control.job.${status}`)) },
      {
        title: t("control.jobs.error"), kind: "wide",
        show: ({ error, failures }) => el(
          "span",
          { className: "quiet clamp", textContent: error ? t("control.jobs.failed_times", { error, count: failures }) : "–", dir: "auto" },
        ),
      },
      { title: t("control.jobs.created"), text: ({ created_at: created }) => formatRelative(created) },
      canChange && {
        kind: "acts", show: (job) => (job.status === "failed" ? actionsOf(job, changed) : []), same: ({ id, status }) => `${id} ${status}`,
      },
    ],
  });
  const pages = newPages((after) => PATH + queryOf({ ...filters.values(), after }), table.fill);
  const many = async (verb) => {
    const { kind } = filters.values();
    return (await settleMany({ path: PATH, verb, what: "jobs", filter: kind ? { kind } : {} })) && panel.refresh();
  };
  const tools = canChange ? [
    button(t("control.dead.retry_all"), () => many("retry")),
    button(t("control.dead.discard_all"), () => many("discard"), "button small danger"),
  ] : [];
  const panel = newPanel(
    {
      title: t("control.jobs.title"), about: t("control.jobs.about"), tools, content: [filters.node, table.node, pages.more],
      read: pages.read,
    },
  );
  return panel;
}

function actionsOf(job, changed) {
  const named = (verb, className) => rowButton(t(`control.dead.${verb}`), shortId(job.id), () => settle(job, verb, changed), className);
  return [el("div", { className: "acts-row" }, named("retry", "button small"), named("discard", "button small danger"))];
}

async function settle(job, verb, changed) {
  if (verb === "discard") {
    const sure = await ask(
      { title: t("control.jobs.discard_title"), text: t("control.jobs.discard_text"), yes: t("control.dead.discard"), danger: true },
    );
    if (!sure) return;
  }
  await call("POST", `${PATH}/${job.id}/${verb}`);
  toast(t(`control.jobs.${verb}_done`));
  await changed();
}

const time = (at) => at && formatDate(at, { dateStyle: "medium", timeStyle: "medium" });

async function openJob(id, canChange) {
  const job = await call("GET", `${PATH}/${id}`);
  openSheet(t("control.jobs.one", { kind: job.kind, id: shortId(id) }),
    el("ul", { className: "reasons" }, ...job.reasons.map((reason) => reasonRow(reason, canChange))),
    ...(job.error ? [el("p", { className: "cause", textContent: job.error, dir: "auto" })] : []),
    facts([
      [t("control.jobs.status"), state(COLOURS[job.status], t(`control.job.${job.status}`))],
      [t("control.jobs.job"), idNode(job.id)],
      [t("control.dead.user"), job.user_id && idNode(job.user_id)],
      [t("control.jobs.worker"), job.worker && idNode(job.worker)],
      [t("control.jobs.created"), time(job.created_at)],
      [t("control.jobs.due"), time(job.due_at)],
      [t("control.jobs.started"), time(job.started_at)],
      [t("control.jobs.finished"), time(job.finished_at)],
      [t("control.jobs.attempt"), formatNumber(job.attempt)],
      [t("control.jobs.failures"), formatNumber(job.failures)],
      [t("control.jobs.lapses"), formatNumber(job.lapses)],
      [t("control.jobs.cost"), job.cost > 0 ? formatMoney(job.cost) : null],
      [t("control.jobs.progress"), job.progress && code(JSON.stringify(job.progress))],
      [t("control.jobs.result"), job.result && code(JSON.stringify(job.result))],
    ]));
}
