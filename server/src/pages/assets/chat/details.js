// Who spoke, what was tried, how long it took and what it cost. Loaded when it is first opened.

import { call } from "../lib/api.js";
import { attempt, el } from "../lib/dom.js";
import { formatDate, formatNumber, hasText, t } from "../lib/i18n.js";
import { openPanel } from "../lib/panel.js";
import { loreReceipt } from "./lore.js";

const inUnit = (number, unit, digits = 0) => formatNumber(number, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: digits });
const formatMs = (ms) => (ms < 1_000 ? inUnit(ms, "millisecond") : inUnit(ms / 1_000, "second", ms < 10_000 ? 1 : 0));
const formatCost = (cost) => formatNumber(cost, { style: "currency", currency: "USD", maximumFractionDigits: cost < 0.01 ? 6 : 2 });
const sum = (tries, of) => tries.reduce((total, each) => total + (of(each) ?? 0), 0);

/** What is known of a request, as pairs of a key and a text. */
export function factsOf({ provider, model, created_at, started_at, finished_at, attempt: attempts, tries = [], usage }) {
  const asked = formatDate(created_at, { dateStyle: "medium", timeStyle: "medium" });
  const facts = [["provider", provider], ["model", model], ["asked", asked]];
  if (started_at) facts.push(["waited", formatMs(Date.parse(started_at) - Date.parse(created_at))]);
  const firstWord = tries.map(({ first_word_ms }) => first_word_ms).findLast(Number.isFinite);
  if (firstWord !== undefined) facts.push(["first_word", formatMs(firstWord)]);
  if (started_at && finished_at) facts.push(["took", formatMs(Date.parse(finished_at) - Date.parse(started_at))]);
  if (usage) facts.push(["tokens", tokensText(usage)]);
  const cost = sum(tries, ({ cost: each }) => each);
  if (cost > 0) facts.push(["cost", formatCost(cost)]);
  if (attempts > 1) facts.push(["attempts", formatNumber(attempts)]);
  return facts.filter(([, text]) => text);
}

const tokensText = ({ prompt_tokens: prompt, completion_tokens: completion, estimated }) =>
  t(estimated ? "chat.details.tokens_about" : "chat.details.tokens_are", { prompt, completion });

function tryRow({ provider, model, outcome, ms, cost, hedge, attempt: number }) {
  const key = `chat.details.outcome.${outcome}`;
  const words = [hasText(key) ? t(key) : outcome, formatMs(ms), cost > 0 && formatCost(cost), hedge && t("chat.details.hedge")];
  const colour = { completed: "good", outrun: "" }[outcome] ?? "warn";
  const what = el("span", { className: "what" },
    el("strong", { textContent: `${provider} · ${model}`, dir: "ltr" }),
    el("span", { className: "quiet", textContent: words.filter(Boolean).join(" · ") }));
  const which = el("span", { className: "quiet", textContent: t("chat.details.attempt", { number }) });
  return el("li", {}, el("span", { className: `dot ${colour}` }), what, which);
}

export async function openDetails(requestId) {
  const path = `/requests/${requestId}`;
  const read = await attempt(() => Promise.all([call("GET", path), call("GET", `${path}/lore`)]));
  if (!read) return;
  const [request, lore] = read;
  const { body } = openPanel(t("chat.details.title"));
  const facts = factsOf(request).flatMap(([key, text]) =>
    [el("dt", { textContent: t(`chat.details.${key}`) }), el("dd", { textContent: text, dir: "auto" })]);
  body.append(el("dl", { className: "facts" }, ...facts));
  if (request.tries.length) {
    body.append(el("h3", { textContent: t("chat.details.tries") }), el("ul", { className: "rows" }, ...request.tries.map(tryRow)));
  }
  body.append(...(await loreReceipt(lore)));
}
