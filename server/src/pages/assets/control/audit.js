// The audit log: who did what, found by filters; whether it is whole; and a file of it.

import { call } from "../lib/api.js";
import { el } from "../lib/dom.js";
import { formatDate, formatNumber, t } from "../lib/i18n.js";
import { openSheet } from "../lib/panel.js";
import { shortId } from "./format.js";
import { button, code, facts, idNode, newPanel, opener, queryOf } from "./parts.js";
import { newFilters, newPages, newTable } from "./table.js";

const PATH = "/admin/audit";
/** Those that an operator looks for; any other can be entered too. */
const VERBS = [
  "access.refused", "account.closed", "account.deleted", "account.exported", "audit.exported", "budget.removed", "budget.set",
  "dead_letter.discarded", "dead_letter.retried",
  "invitation.created", "invitation.deleted", "key.created", "key.deleted", "password.changed", "password.reset", "persona.deleted",
  "persona.hidden", "persona.unhidden",
  "price.removed", "price.set", "role.changed", "service.created", "service.deleted", "sign_in", "sign_in.refused", "signing_key.rotated",
  "tier.changed", "tier.created",
  "tier.deleted", "user.registered", "user.signed_out", "user_tier.changed", "worker.changed",
];
const KINDS = ["account", "api_key", "budget", "dead_letter", "invitation", "persona", "price", "service", "tier", "user", "worker"];

export function auditSection() {
  const filters = newFilters([
    { name: "verb", label: t("control.audit.verb"), list: VERBS },
    { name: "actor", label: t("control.audit.actor") },
    { name: "about", label: t("control.audit.about_user") },
    { name: "target_kind", label: t("control.audit.target_kind"), list: KINDS },
    { name: "target_id", label: t("control.audit.target_id") },
    { name: "since", label: t("control.audit.since"), type: "datetime-local" },
    { name: "until", label: t("control.audit.until"), type: "datetime-local" },
  ], () => panel.refresh());
  const table = auditTable();
  const wanted = () => filterOf(filters.values());
  const pages = newPages((after) => PATH + queryOf({ ...wanted(), after }), table.fill);
  const file = el("a", { className: "button small", download: "troupe-audit.jsonl", textContent: t("control.audit.export") });
  const result = el("div", { role: "status" });
  const tools = [button(t("control.audit.verify"), () => verify(result)), file];
  const panel = newPanel({
    title: t("control.audit.title"), about: t("control.audit.about"), tools, content: [result, filters.node, table.node, pages.more],
    read: async () => {
      file.href = `/api/v1${PATH}/export${queryOf(wanted())}`;
      await pages.read();
    },
  });
  return { nodes: [panel.node], read: panel.refresh };
}

/** Times as the API takes them. */
export function filterOf({ since, until, ...words }) {
  const moment = (time) => (time ? new Date(time).toISOString() : "");
  return { ...words, since: moment(since), until: moment(until) };
}

/** An entry never changes. */
const positionOf = ({ position }) => String(position);

function auditTable() {
  return newTable({
    caption: t("control.audit.title"), none: t("control.audit.none"), noneIcon: "book", keyOf: ({ position }) => position,
    columns: [
      { title: t("control.audit.at"), text: ({ at }) => formatDate(at, { dateStyle: "short", timeStyle: "medium" }) },
      { title: t("control.audit.verb"), show: (entry) => opener(entry.verb, () => openEntry(entry)), same: positionOf },
      { title: t("control.audit.actor"), show: ({ actor }) => actorNode(actor), same: positionOf },
      { title: t("control.audit.target"), kind: "wide", show: ({ target }) => targetNode(target), same: positionOf },
      {
        title: t("control.audit.address"),
        show: ({ address }) => (address ? code(address) : el("span", { className: "quiet", textContent: "–" })), same: positionOf,
      },
    ],
  });
}

function actorNode({ kind, user_id: user, subject, id }) {
  const who = user ?? id ?? subject;
  return el("div", { className: "stack" }, el("span", { textContent: t(`control.actor.${kind}`) }), ...(who ? [idNode(who)] : []));
}

function targetNode(target) {
  if (!target) return el("span", { className: "quiet", textContent: "–" });
  const { kind, id, user_id: user, subject } = target;
  const who = id ?? user ?? subject;
  return el("span", { className: "target" }, code(kind, "quiet"), ...(who ? [/^[\da-f-]{36}$/.test(who) ? idNode(who) : code(who)] : []));
}

function change(value) {
  if (value === null || value === undefined) return null;
  return el("pre", { className: "change", textContent: JSON.stringify(value, null, 2), dir: "ltr", tabIndex: 0 });
}

function openEntry(entry) {
  openSheet(t("control.audit.one", { position: formatNumber(entry.position) }), facts([
    [t("control.audit.verb"), code(entry.verb)],
    [t("control.audit.at"), formatDate(entry.at, { dateStyle: "full", timeStyle: "long" })],
    [t("control.audit.actor"), actorNode(entry.actor)],
    [t("control.audit.target"), targetNode(entry.target)],
    [t("control.audit.about_user"), entry.target?.user_id && idNode(entry.target.user_id)],
    [t("control.audit.before"), change(entry.before)],
    [t("control.audit.after"), change(entry.after)],
    [t("control.audit.address"), entry.address && code(entry.address)],
    [t("control.audit.correlation"), entry.correlation_id && idNode(entry.correlation_id)],
    [t("control.audit.hash"), code(entry.hash)],
  ]));
}

/** Entry after entry, as many calls as it takes. */
async function verify(result) {
  let entries = 0;
  for (let after = ""; ;) {
    const found = await call("GET", `${PATH}/verify${queryOf({ after })}`, { patience: 120_000 });
    entries += found.entries;
    if (found.broken) {
      const { position, why } = found.broken;
      return say(result, "danger", t("control.audit.broken", { position: formatNumber(position), why }));
    }
    if (!found.next) return say(result, "", t("control.audit.whole", { count: entries }), found.reached);
    say(result, "", t("control.audit.verifying", { count: entries }));
    after = found.next;
  }
}

function say(result, colour, text, reached) {
  result.replaceChildren(el("p", { className: `notice ${colour}` }, el("span", { textContent: text }),
    ...(reached ? [" ", el("span", { className: "quiet", textContent: t("control.audit.reached") }), " ", code(shortId(reached))] : [])));
}
