// The queue: how much waits in each tier, how fast it moves, who works on it, and why a request waits.

import { call } from "../lib/api.js";
import { el, reconcile, setText } from "../lib/dom.js";
import { formatNumber, t } from "../lib/i18n.js";
import { NONE, formatMs, formatRate, formatSince } from "./format.js";
import { historyPanel } from "./history.js";
import { newPanel, newTile } from "./parts.js";
import { newTable } from "./table.js";
import { waitingPanel } from "./waiting.js";
import { newWorkers } from "./workers.js";

const POLL_MS = 2_000;

export function queueSection({ canChange }) {
  const totals = newTotals();
  const tiers = el("div", { className: "tiles" });
  const kinds = kindsTable();
  let again = () => {};
  const workers = newWorkers({ canChange, changed: () => again() });
  const unlisted = el("p", { className: "notice warn", hidden: true });
  const live = newPanel({
    title: t("control.queue.now"), about: t("control.queue.now_about"), content: [totals.node, tiers],
    read: async () => {
      const queue = await call("GET", "/admin/queue");
      totals.show(queue);
      showTiers(tiers, queue.tiers, history.latest);
      kinds.fill(queue.jobs);
      workers.fill(queue.workers);
      unlisted.hidden = queue.unlisted.length === 0;
      setText(unlisted, t("control.queue.unlisted", { count: queue.unlisted.length }));
      // They are of the same answer.
      for (const panel of [workersPanel, kindsPanel]) panel.refresh();
    },
  });
  const workersPanel = newPanel(
    { title: t("control.workers.title"), about: t("control.workers.about"), content: [workers.node, unlisted], read: async () => {} },
  );
  const kindsPanel = newPanel(
    { title: t("control.kinds.title"), about: t("control.kinds.about"), content: [kinds.node], read: async () => {} },
  );
  const history = historyPanel();
  again = live.refresh;
  return {
    nodes: [live.node, waitingPanel({ canChange }), workersPanel.node, history.node, kindsPanel.node],
    read: () => Promise.all([live.refresh(), history.refresh()]),
    pauseMs: POLL_MS,
  };
}

function newTotals() {
  const open = newTile(t("control.queue.open"));
  const lag = newTile(t("control.queue.lag"));
  const working = newTile(t("control.queue.working"));
  const letters = newTile(t("control.queue.dead_letters"));
  const redis = newTile("Redis");
  return {
    node: el("dl", { className: "tiles totals" }, ...[open, working, lag, letters, redis].map(({ node }) => node)),
    show({ open: count, dispatch_lag: measured, dead_letters: dead, workers, redis: state }) {
      const alive = workers.filter((worker) => worker.alive);
      const slots = alive.filter((worker) => worker.state === "active").reduce((sum, worker) => sum + worker.slots, 0);
      const running = workers.reduce((sum, worker) => sum + worker.running.length, 0);
      open.show(formatNumber(count), t("control.queue.open_about"));
      lag.show(
        measured ? formatMs(measured.median_ms) : "–",
        measured ? t("control.queue.lag_about", { longest: formatMs(measured.longest_ms) }) : t("control.queue.lag_none"),
      );
      working.show(
        t("control.of", { part: running, whole: slots }), t("control.queue.working_about", { count: alive.length }),
        slots === 0 ? "danger" : "",
      );
      letters.show(formatNumber(dead), t("control.queue.dead_about"), dead > 0 ? "warn" : "");
      redis.show(t(`control.redis.${state}`), t(`control.redis.${state}_about`), state === "ok" ? "" : "danger");
    },
  };
}

/** A tile for each tier; their nodes stay, so that numbers change in place. */
function showTiers(root, tiers, latest) {
  const make = ({ tier }) => {
    const rows = Object.fromEntries(["oldest", "waits", "arrivals", "completions", "failures"].map((name) => [name, el("dd", {})]));
    const count = el("span", { className: "value" });
    const node = el("article", { className: "tile tier" }, el("h4", { className: "aligned", textContent: tier, dir: "auto" }),
      el("p", { className: "depth" }, count, el("span", { className: "quiet", textContent: t("control.tier.waiting") })),
      el("dl", {}, ...Object.entries(rows).flatMap(([name, shown]) => [el("dt", { textContent: t(`control.tier.${name}`) }), shown])));
    return Object.assign(node, { rows, count });
  };
  reconcile(root, tiers.map((tier) => ({ key: tier.tier, ...tier })), make, ({ rows, count }, tier) => {
    const rate = (number) => t("control.per_second", { rate: formatRate(number) });
    setText(count, formatNumber(tier.waiting));
    const { wait_p50_ms: median, wait_p95_ms: slow } = latest(tier.tier) ?? {};
    setText(rows.oldest, formatMs(tier.oldest_age_ms));
    setText(rows.waits, Number.isFinite(median) ? t("control.tier.waits_are", { median: formatMs(median), slow: formatMs(slow) }) : NONE);
    // Unknown until the history has its first minute.
    rows.waits.hidden = rows.waits.previousSibling.hidden = !latest(tier.tier);
    setText(rows.arrivals, rate(tier.arrivals_per_second));
    setText(rows.completions, rate(tier.completions_per_second));
    setText(rows.failures, rate(tier.failures_per_second));
    rows.failures.className = tier.failures_per_second > 0 ? "bad" : "";
  });
}

const kindsTable = () => newTable({
  caption: t("control.kinds.title"), none: t("control.kinds.none"), noneIcon: "check", keyOf: ({ kind }) => kind,
  columns: [
    { title: t("control.kinds.kind"), text: ({ kind }) => kind, kind: "mono" },
    { title: t("control.kinds.waiting"), text: ({ waiting }) => formatNumber(waiting), kind: "number" },
    { title: t("control.kinds.running"), text: ({ running }) => formatNumber(running), kind: "number" },
    { title: t("control.kinds.dead"), text: ({ dead_letters: dead }) => formatNumber(dead), kind: "number" },
    { title: t("control.kinds.due"), text: ({ due_since: due }) => formatSince(due), kind: "number" },
  ],
});
