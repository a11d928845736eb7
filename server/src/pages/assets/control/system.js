// What the server stands on: whether each part is well, and the processes that there are.

import { call } from "../lib/api.js";
import { el, setText } from "../lib/dom.js";
import { formatNumber, formatRelative, t } from "../lib/i18n.js";
import { formatBytes, formatSince, NONE } from "./format.js";
import { code, idNode, newPanel, state } from "./parts.js";
import { newTable } from "./table.js";

const POLL_MS = 10_000;
const COLOURS = { well: "good", doubtful: "warn", ill: "danger" };
const ORDER = ["ill", "doubtful", "well"];

export function systemSection() {
  const health = healthPanel();
  const processes = processesPanel();
  return { nodes: [health.node, processes.node], read: () => Promise.all([health.refresh(), processes.refresh()]), pauseMs: POLL_MS };
}

function healthPanel() {
  const looked = el("p", { className: "quiet" });
  const findings = el("ul", { className: "findings" });
  let shown = "";
  return newPanel({
    title: t("control.system.health"), about: t("control.system.health_about"), content: [findings, looked],
    read: async () => {
      const health = await call("GET", "/admin/health");
      setText(looked, t("control.system.looked", { time: formatRelative(health.looked_at) }));
      const now = JSON.stringify(health.findings);
      if (now !== shown) findings.replaceChildren(
        ...[...health.findings].sort((a, b) => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict)).map(findingRow),
      );
      shown = now;
    },
  });
}

/** What was found is the server's own word, in English. */
const findingRow = ({ verdict, about, found, advice }) => el("li", { className: COLOURS[verdict] ?? "" },
  el("span", { className: "what" }, el("strong", { textContent: about, lang: "en", dir: "ltr" }), el(
    "span", { className: "quiet", textContent: found, lang: "en", dir: "ltr" },
  ),
    ...(advice ? [el("span", { className: "advice", textContent: advice, lang: "en", dir: "ltr" })] : [])),
  state(COLOURS[verdict], t(`control.finding.${verdict}`)));

function processesPanel() {
  const table = newTable({
    caption: t("control.system.processes"), none: t("control.system.none"), keyOf: ({ kind, id }) => `${kind} ${id}`,
    columns: [
      {
        title: t("control.system.process"),
        show: ({ kind, id }) => el("div", { className: "stack" }, el("span", { textContent: t(`control.process.${kind}`) }), idNode(id)),
        same: ({ id }) => id,
      },
      { title: t("control.workers.version"), show: ({ version }) => code(version), same: ({ version }) => version },
      { title: t("control.system.up"), text: ({ started_at: started }) => formatSince(started) },
      {
        title: t("control.system.memory"), text: ({ rss_bytes: bytes }) => (Number.isFinite(bytes) ? formatBytes(bytes) : NONE),
        kind: "number",
      },
      {
        title: t("control.system.cpu"),
        text: ({ cpu_seconds: seconds }) => (Number.isFinite(seconds) ? t(
          "control.system.seconds", { seconds: formatNumber(Math.round(seconds)) },
        ) : NONE),
        kind: "number",
      },
      { title: t("control.system.pool"), text: poolText, kind: "number" },
      {
        title: t("control.system.sockets"), text: ({ sockets }) => (Number.isFinite(sockets) ? formatNumber(sockets) : NONE),
        kind: "number",
      },
      { title: t("control.workers.seen"), text: ({ seen_at: seen }) => formatRelative(seen) },
    ],
  });
  return newPanel({
    title: t("control.system.processes"), about: t("control.system.processes_about"), content: [table.node],
    read: async () => table.fill((await call("GET", "/admin/system")).processes),
  });
}

function poolText({ pool }) {
  if (!pool) return NONE;
  const taken = t("control.of", { part: pool.in_use, whole: pool.size });
  return pool.waiting > 0 ? t("control.system.pool_waits", { taken, waiting: pool.waiting }) : taken;
}
