// How the queue has been: depth, throughput and waits of each tier over time, in small plots beside each other.

import { call } from "../lib/api.js";
import { el } from "../lib/dom.js";
import { formatDate, formatNumber, t } from "../lib/i18n.js";
import { formatMs, formatRate, formatShare } from "./format.js";
import { empty, newPanel } from "./parts.js";
import { newNumbers, newPlot } from "./plot.js";

const HOUR_MS = 3_600_000;
/** Spans with the step that they are shown in. */
const SPANS = [
  { count: 1, unit: "hour", hours: 1, step: "minute" },
  { count: 6, unit: "hour", hours: 6, step: "minute" },
  { count: 1, unit: "day", hours: 24, step: "minute" },
  { count: 7, unit: "day", hours: 24 * 7, step: "hour" },
  { count: 30, unit: "day", hours: 24 * 30, step: "hour" },
];
/** A step lasts no shorter than a minute. */
const PAUSE_MS = 30_000;

/** `latest(tier)` is the last point of a tier, as far as it is known. */
export function historyPanel() {
  let span = SPANS[0];
  let readAt = 0;
  let tiers = new Map();
  const root = el("div", { className: "histories" });
  const choice = el("div", { className: "segments", role: "radiogroup", ariaLabel: t("control.history.span") }, ...SPANS.map(spanChoice));
  const panel = newPanel({ title: t("control.history.title"), tools: [choice], content: [root], read });

  async function read() {
    // It is asked for by the pace of what is live.
    if (Date.now() - readAt < PAUSE_MS) return;
    const wanted = span;
    const { hours, step } = wanted;
    const from = new Date(Date.now() - hours * HOUR_MS).toISOString();
    const { points } = await call("GET", `/admin/queue/history?from=${encodeURIComponent(from)}&step=${step}`);
    if (wanted !== span) return;
    readAt = Date.now();
    tiers = byTier(points);
    // Not under the cursor of somebody who reads it.
    if (!root.matches(":has(.field-of-plot:is(:hover, :focus-visible), details[open])")) show(root, tiers, hours);
  }

  function spanChoice(each) {
    const text = formatNumber(each.count, { style: "unit", unit: each.unit, unitDisplay: "long" });
    const input = el("input", { type: "radio", name: "control-span", checked: each === span, onchange: () => choose(each) });
    return el("label", {}, input, el("span", { textContent: text }));
  }

  function choose(each) {
    span = each;
    readAt = 0;
    panel.refresh();
  }

  return { ...panel, latest: (tier) => tiers.get(tier)?.at(-1) };
}

/** Points by tier, in the order of time. */
export function byTier(points) {
  const tiers = new Map();
  for (const point of points) (tiers.get(point.tier) ?? tiers.set(point.tier, []).get(point.tier)).push(point);
  for (const own of tiers.values()) own.sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  return tiers;
}

function show(root, tiers, hours) {
  if (!tiers.size) return root.replaceChildren(empty("clock", t("control.history.none")));
  return root.replaceChildren(...[...tiers].map(([tier, own]) => tierHistory(tier, own, hours)));
}

function tierHistory(tier, points, hours) {
  const formatAt = (at) => formatDate(at, hours > 24 ? { dateStyle: "short", timeStyle: "short" } : { timeStyle: "short" });
  const seriesOf = (name, colour, field, more = {}) => ({ name, colour, of: (point) => point[field], ...more });
  const depth = seriesOf(t("control.history.depth"), "accent", "depth", { isFilled: true, format: formatNumber });
  const flow = [
    seriesOf(t("control.history.completions"), "good", "completions"), seriesOf(t("control.history.arrivals"), "quiet", "arrivals"),
    seriesOf(t("control.history.failures"), "danger", "failures"),
  ];
  const waits = [
    seriesOf(t("control.history.wait_p50"), "accent", "wait_p50_ms", { format: formatMs }),
    seriesOf(formatShare(0.95), "quiet", "wait_p95_ms", { format: formatMs }),
  ];
  const plot = (name, series, format) => newPlot({ title: t(`control.history.${name}`), points, series, format, formatAt });
  const rate = (number) => (Number.isInteger(number) ? formatNumber(number) : formatRate(number));
  const title = t("control.history.of_tier", { tier });
  const plots = [plot("depth_title", [depth], rate), plot("flow_title", flow, rate), plot("waits_title", waits, formatMs)];
  const series = [depth, ...flow, ...waits];
  return el(
    "section", { className: "history", ariaLabel: title },
    el("h4", { className: "aligned", textContent: tier, dir: "auto" }), el("div", { className: "plots" }, ...plots),
    newNumbers(t("control.as_table"), { caption: title, points, series, format: rate, formatAt, time: t("control.time") }),
  );
}
