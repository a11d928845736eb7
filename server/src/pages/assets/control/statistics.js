// What was used: by day and tier, and by persona. Left out where the server counts nothing.

import { Problem, call } from "../lib/api.js";
import { el } from "../lib/dom.js";
import { formatDate, formatNumber, t } from "../lib/i18n.js";
import { formatCount, formatMoney, formatShare, NONE } from "./format.js";
import { empty, newPanel, newTile } from "./parts.js";
import { newNumbers, newPlot } from "./plot.js";
import { newTable } from "./table.js";

const SPANS = [7, 30, 90];
const COUNTED = ["users", "messages", "replies", "failed", "prompt_tokens", "completion_tokens", "cost", "thumbs_up", "thumbs_down"];

export function statisticsSection() {
  let days = SPANS[1];
  const tiles = Object.fromEntries(
    ["messages", "replies", "failed", "tokens", "cost", "liked"].map((name) => [name, newTile(t(`control.statistics.${name}`))]),
  );
  const plots = el("div", { className: "plots" });
  const tiers = tiersTable();
  const personas = personasTable();
  const choice = el("div", {
    className: "segments", role: "radiogroup", ariaLabel: t("control.history.span"),
  }, ...SPANS.map((span) => el("label", {},
    el(
      "input", { type: "radio", name: "control-days", checked: span === days, onchange: () => (days = span, panel.refresh()) },
    ), el("span", { textContent: t("control.statistics.days", { count: span }) }))));
  const panel = newPanel({
    title: t("control.statistics.title"), about: t("control.statistics.about"), tools: [choice],
    content: [el(
      "dl", { className: "tiles totals" }, ...Object.values(tiles).map(({ node }) => node),
    ), plots, el("h4", { textContent: t("control.statistics.by_tier") }), tiers.node,
      el("h4", { textContent: t("control.statistics.by_persona") }), personas.node],
    read: async () => {
      const found = await readOrNothing(days);
      if (!found) return panel.node.replaceChildren(empty("pulse", t("control.statistics.absent")));
      showTotals(tiles, found.days);
      showPlots(plots, sumBy(found.days, ({ day }) => day));
      tiers.fill([...sumBy(found.days, ({ tier }) => tier)].map(([tier, sum]) => ({ tier, ...sum })));
      return personas.fill(found.personas);
    },
  });
  return { nodes: [panel.node], read: panel.refresh };
}

/** Null where the server knows of no statistics. */
async function readOrNothing(days) {
  try {
    return await call("GET", `/admin/stats?days=${days}`);
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.status !== 404) throw problem;
    return null;
  }
}

/** What is counted, added up by a key, in the order of the keys' first rows. */
export function sumBy(rows, keyOf) {
  const sums = new Map();
  for (const row of rows) {
    const sum = sums.get(keyOf(row)) ?? Object.fromEntries(COUNTED.map((name) => [name, 0]));
    for (const name of COUNTED) sum[name] += row[name] ?? 0;
    sums.set(keyOf(row), sum);
  }
  return sums;
}

function showTotals(tiles, days) {
  const all = sumBy(days, () => "all").get("all") ?? sumBy([{}], () => "all").get("all");
  const rated = all.thumbs_up + all.thumbs_down;
  tiles.messages.show(formatCount(all.messages));
  tiles.replies.show(formatCount(all.replies));
  tiles.failed.show(formatCount(all.failed), all.replies + all.failed ? formatShare(all.failed / (all.replies + all.failed)) : "");
  tiles.tokens.show(
    formatCount(all.prompt_tokens + all.completion_tokens),
    t("control.statistics.tokens_are", { prompt: formatCount(all.prompt_tokens), completion: formatCount(all.completion_tokens) }),
  );
  tiles.cost.show(formatMoney(all.cost));
  tiles.liked.show(rated ? formatShare(all.thumbs_up / rated) : NONE, t("control.statistics.rated", { count: rated }));
}

function showPlots(root, byDay) {
  const points = [...byDay].map(([day, sum]) => ({ at: day, ...sum })).sort((a, b) => (a.at < b.at ? -1 : 1));
  if (!points.length) return root.replaceChildren(empty("pulse", t("control.statistics.none")));
  const formatAt = (day) => formatDate(`${day.slice(0, 10)}T12:00:00`, { day: "numeric", month: "short" });
  const seriesOf = (name, colour, of = (point) => point[name], more = {}) => ({
    name: t(`control.statistics.${name}`), colour, of, ...more
  });
  const tokens = seriesOf(
    "tokens", "accent", (point) => point.prompt_tokens + point.completion_tokens, { isFilled: true, format: formatCount },
  );
  const cost = seriesOf("cost", "accent", undefined, { isFilled: true, format: formatMoney });
  const users = seriesOf("users", "accent", undefined, { isFilled: true });
  const replies = [seriesOf("replies", "good"), seriesOf("messages", "quiet"), seriesOf("failed", "danger")];
  const thumbs = [seriesOf("thumbs_up", "good"), seriesOf("thumbs_down", "danger")];
  const plot = (title, series, format) => newPlot({ title: t(`control.statistics.${title}`), points, series, format, formatAt });
  root.replaceChildren(
    plot("users", [users], formatCount), plot("flow", replies, formatCount), plot("tokens", [tokens], formatCount),
    plot("cost", [cost], formatMoney), plot("thumbs", thumbs, formatCount),
  );
  const numbers = newNumbers(
    t("control.as_table"),
    {
      caption: t("control.statistics.title"), points, series: [users, ...replies, tokens, cost, ...thumbs], format: formatNumber, formatAt,
      time: t("control.time"),
    },
  );
  root.append(numbers);
  return undefined;
}

const number = (title, field, format = formatNumber) => ({ title, text: (row) => format(row[field] ?? 0), kind: "number" });

const rating = { text: ({ thumbs_up: up, thumbs_down: down }) => (up + down ? formatShare(up / (up + down)) : NONE), kind: "number" };

const tiersTable = () => newTable({
  caption: t("control.statistics.by_tier"), none: t("control.statistics.none"), keyOf: ({ tier }) => tier,
  columns: [
    { title: t("control.users.tier"), text: ({ tier }) => tier },
    number(t("control.statistics.messages"), "messages"), number(t("control.statistics.replies"), "replies"),
    number(t("control.statistics.failed"), "failed"),
    { title: t("control.statistics.tokens"), text: (row) => formatCount(row.prompt_tokens + row.completion_tokens), kind: "number" },
    number(t("control.statistics.cost"), "cost", formatMoney), { ...rating, title: t("control.statistics.liked") },
  ],
});

const personasTable = () => newTable({
  caption: t("control.statistics.by_persona"), none: t("control.statistics.none"), keyOf: ({ slug }) => slug,
  columns: [
    {
      title: t("control.personas.persona"), kind: "wide",
      show: ({ name, slug }) => el(
        "span", {}, el("strong", { textContent: name, dir: "auto" }), " ",
        el("code", { className: "quiet", textContent: slug, dir: "ltr" }),
      ),
    },
    number(t("control.statistics.messages"), "messages"), number(t("control.statistics.users"), "users"),
    number(t("control.statistics.cost"), "cost", formatMoney), { ...rating, title: t("control.statistics.liked") },
  ],
});
