// Dead letters: replies that failed for good, and wait to be retried or discarded.

import { call } from "../lib/api.js";
import { el, toast } from "../lib/dom.js";
import { formatDate, formatNumber, formatRelative, t } from "../lib/i18n.js";
import { openSheet } from "../lib/panel.js";
import { problemText } from "../lib/problems.js";
import { settleMany } from "./bulk.js";
import { ask } from "./dialogs.js";
import { eventsPart } from "./events.js";
import { formatTokens, shortId } from "./format.js";
import { jobsPanel } from "./jobs.js";
import { button, code, facts, idNode, newPanel, opener, queryOf, rowButton } from "./parts.js";
import { newFilters, newPages, newTable } from "./table.js";
import { attemptsOf } from "./waiting.js";

const PATH = "/admin/dead-letters";
const CODES = [
  "provider_failed", "content_filtered", "prompt_too_long", "budget_exhausted", "no_model_allowed", "persona_hidden", "not_storable",
  "timed_out", "internal",
];
const HOURS = { hour: 1, day: 24, week: 24 * 7 };

export function deadLettersSection({ canChange }) {
  const replies = repliesPanel({ canChange });
  const jobs = jobsPanel({ canChange });
  return { nodes: [replies.node, jobs.node], read: () => Promise.all([replies.refresh(), jobs.refresh()]) };
}

/** The fields of the filter as the API takes them. */
function filterOf({ since, ...words }) {
  const given = Object.fromEntries(Object.entries(words).filter(([, value]) => value !== ""));
  return since ? { ...given, since: new Date(Date.now() - HOURS[since] * 3_600_000).toISOString() } : given;
}

function repliesPanel({ canChange }) {
  const filters = newFilters([
    { name: "tier", label: t("control.dead.tier") },
    { name: "code", label: t("control.dead.code"), list: CODES },
    { name: "cause", label: t("control.dead.cause") },
    { name: "persona", label: t("control.dead.persona") },
    {
      name: "since", label: t("control.dead.since"),
      options: [["", t("control.dead.any_time")], ...Object.keys(HOURS).map((name) => [name, t(`control.dead.last.${name}`)])],
    },
  ], () => panel.refresh());
  const table = repliesTable({ canChange, changed: () => panel.refresh() });
  const pages = newPages((after) => PATH + queryOf({ ...filterOf(filters.values()), after }), table.fill);
  const many = async (verb) => (await settleMany(
    { path: PATH, verb, what: "replies", filter: filterOf(filters.values()) },
  )) && panel.refresh();
  const tools = canChange ? [
    button(t("control.dead.retry_all"), () => many("retry")),
    button(t("control.dead.discard_all"), () => many("discard"), "button small danger"),
  ] : [];
  const panel = newPanel({
    title: t("control.dead.replies"), about: t("control.dead.replies_about"), tools, content: [filters.node, table.node, pages.more],
    read: pages.read,
  });
  return panel;
}

function repliesTable({ canChange, changed }) {
  return newTable({
    caption: t("control.dead.replies"), none: t("control.dead.none"), noneIcon: "check", keyOf: ({ id }) => id,
    columns: [
      {
        title: t("control.dead.request"), show: (letter) => opener(shortId(letter.id), () => openLetter(letter.id), letter.id),
        same: ({ id }) => id,
      },
      { title: t("control.dead.what"), kind: "wide", show: whatCell },
      {
        title: t("control.dead.for"),
        show: ({ persona, tier }) => el(
          "div", { className: "stack" }, el("span", { textContent: persona, dir: "auto" }),
          el("span", { className: "quiet", textContent: tier, dir: "auto" }),
        ),
      },
      { title: t("control.dead.failed"), text: ({ failed_at: failed }) => formatRelative(failed) },
      { title: t("control.dead.again"), text: ({ estimate }) => formatTokens(estimate), kind: "number" },
      canChange && { kind: "acts", show: (letter) => actionsOf(letter, changed), same: ({ id }) => id },
    ],
  });
}

const whatCell = ({ error, cause, attempts }) => el(
  "div", { className: "stack" },
  el("span", {}, code(error.code), " ", el("span", { className: "quiet", textContent: t("control.dead.attempts", { count: attempts }) })),
  ...(cause ? [el("span", { className: "quiet clamp", textContent: cause, title: cause, dir: "auto" })] : []),
);

function actionsOf(letter, changed) {
  const named = (verb, className) => rowButton(
    t(`control.dead.${verb}`), shortId(letter.id), () => settle(letter, verb, changed), className,
  );
  return [el("div", { className: "acts-row" }, named("retry", "button small"), named("discard", "button small danger"))];
}

async function settle(letter, verb, changed) {
  if (verb === "discard") {
    const sure = await ask(
      { title: t("control.dead.discard_title"), text: t("control.dead.discard_text"), yes: t("control.dead.discard"), danger: true },
    );
    if (!sure) return;
  }
  await call("POST", `${PATH}/${letter.id}/${verb}`);
  toast(t(`control.dead.${verb}_done`));
  await changed();
}

async function openLetter(id) {
  const letter = await call("GET", `${PATH}/${id}`);
  openSheet(t("control.dead.one", { id: shortId(id) }),
    el("p", { className: "notice danger", textContent: problemText(letter.error) }),
    ...(letter.cause ? [el("p", { className: "cause", textContent: letter.cause, dir: "auto" })] : []),
    facts([
      [t("control.dead.request"), idNode(letter.id)],
      [t("control.dead.conversation"), idNode(letter.conversation_id)],
      [t("control.dead.user"), idNode(letter.user_id)],
      [t("control.dead.persona"), letter.persona],
      [t("control.dead.tier"), letter.tier],
      [t("control.dead.code"), code(letter.error.code)],
      [t("control.dead.asked"), formatDate(letter.created_at)],
      [t("control.dead.failed"), formatDate(letter.failed_at)],
      [t("control.dead.length"), t("control.dead.characters", { count: letter.question_length })],
      [t("control.dead.again"), formatTokens(letter.estimate)],
      [t("control.dead.correlation"), code(letter.correlation_id)],
      [t("control.dead.redrive_of"), letter.redrive_of && idNode(letter.redrive_of)],
      [t("control.dead.number"), formatNumber(letter.attempts)],
    ]),
    ...attemptsOf(letter.history), eventsPart(letter.id));
}
