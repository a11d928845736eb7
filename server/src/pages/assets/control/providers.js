// The model services: whether each is well, and why not.

import { call } from "../lib/api.js";
import { el, setText } from "../lib/dom.js";
import { formatNumber, formatRelative, hasText, t } from "../lib/i18n.js";
import { formatAgo, formatMoney, formatMs, formatShare, NONE } from "./format.js";
import { empty, facts, newPanel, newTile, state } from "./parts.js";

const POLL_MS = 5_000;
const COLOURS = { green: "good", amber: "warn", red: "danger" };
/** As the server has it: more failures than that make a service amber. */
const AMBER_ERROR_RATE = 0.1;

export function providersSection() {
  const cards = el("div", { className: "providers" });
  const window = el("p", { className: "quiet" });
  const hits = newTile(t("control.providers.cache"));
  const found = newTile(t("control.providers.look_ups"));
  let shown = "";
  const panel = newPanel({
    title: t("control.providers.title"), content: [window, cards, el("dl", { className: "tiles totals" }, hits.node, found.node)],
    read: async () => {
      const status = await call("GET", "/admin/ai/status");
      setText(window, t("control.providers.window", { minutes: status.minutes }));
      // Times pass without being a change.
      const now = JSON.stringify([status.providers, Math.floor(Date.now() / 30_000)]);
      if (now !== shown) cards.replaceChildren(
        ...(status.providers.length ? status.providers.map(card) : [empty("globe", t("control.providers.none"))]),
      );
      shown = now;
      const { hit_rate: rate, hits: taken, misses } = status.cache;
      hits.show(
        rate === null || rate === undefined ? NONE : formatShare(rate),
        t("control.providers.cache_about", { hits: taken, all: taken + misses }),
      );
      const all = Object.values(status.look_ups).reduce((sum, each) => sum + each, 0);
      found.show(formatNumber(all), t("control.providers.look_ups_about", { none: status.look_ups.none ?? 0 }));
    },
  });
  return { nodes: [panel.node], read: panel.refresh, pauseMs: POLL_MS };
}

const outcomeText = (outcome) => (hasText(`chat.details.outcome.${outcome}`) ? t(`chat.details.outcome.${outcome}`) : outcome);

/** Texts for why a key rests. */
const RESTS = { rate_limited: "resting", out_of_money: "no_money", key_refused: "key_refused" };

/** Why a service is not green, in the page's language; the server says it in English. */
export function whyOf({ light, breaker, rest, check, error_rate: rate, why }) {
  if (light === "green") return "";
  if (breaker === "open") return t(`control.providers.why.${RESTS[rest?.why] ?? "failing"}`);
  if (breaker === "half_open") return t("control.providers.why.probe");
  if (check.outcome && check.outcome !== "completed") return t("control.providers.why.check", { outcome: outcomeText(check.outcome) });
  if (rate > AMBER_ERROR_RATE) return t("control.providers.why.errors", { share: formatShare(rate) });
  return why ?? "";
}

function spread({ p50, p95, p99 }) {
  if (p50 === null || p50 === undefined) return NONE;
  return t("control.providers.spread", { p50: formatMs(p50), p95: formatMs(p95), p99: formatMs(p99) });
}

function checkText({ checked_at: checked, outcome, ms, next_at: next }) {
  if (!checked) return t("control.providers.unchecked", { time: formatRelative(next) });
  return t("control.providers.checked", { time: formatRelative(checked), outcome: outcomeText(outcome), took: formatMs(ms) });
}

/** How the calls ended, the most frequent first. */
function outcomeChips(outcomes) {
  const counts = Object.entries(outcomes).sort(([, a], [, b]) => b - a);
  const texts = counts.map(([outcome, count]) => t("control.counted", { what: outcomeText(outcome), count }));
  const chips = texts.map((textContent) => el("span", { className: "chip tiny", textContent }));
  return chips.length ? [el("p", { className: "chips tight" }, ...chips)] : [];
}

function card(provider) {
  const { provider: name, key, light, breaker, rest, calls, hedges, outcomes, check } = provider;
  const why = whyOf(provider);
  return el("article", { className: `provider ${COLOURS[light]}` },
    el(
      "header", {}, el("h4", { className: "aligned", textContent: name, dir: "auto" }),
      ...(key ? [el("span", { className: "chip tiny", textContent: key, dir: "auto" })] : []),
      state(COLOURS[light], t(`control.light.${light}`)),
    ),
    ...(why ? [el("p", { className: "why", textContent: why })] : []),
    facts([
      [t("control.providers.breaker"), t(`control.breaker.${breaker}`)],
      [t("control.providers.rests"), rest && formatRelative(rest.until)],
      [t("control.providers.first_word"), spread(provider.first_word_ms)],
      [t("control.providers.whole"), spread(provider.whole_ms)],
      [t("control.providers.calls"), t("control.providers.calls_are", { calls, share: formatShare(provider.error_rate) })],
      [t("control.providers.hedges"), hedges > 0 ? formatNumber(hedges) : null],
      [t("control.providers.cost"), Number.isFinite(provider.cost) ? formatMoney(provider.cost) : null],
      [t("control.providers.last_success"), formatAgo(provider.last_success)],
      [t("control.providers.check"), checkText(check)],
      [t("control.providers.detail"), check.outcome === "completed" ? null : check.detail],
    ]),
    ...outcomeChips(outcomes));
}
