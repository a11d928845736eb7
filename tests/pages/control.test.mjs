// The control room: what it makes of what the API says.

import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./modules.mjs";
import { addAllTexts } from "./texts.mjs";

const { areaOf, ceilingOf, lineOf } = await load("control/plot.js");
const { byTier } = await load("control/history.js");
const { whyOf } = await load("control/providers.js");
const { sumBy } = await load("control/statistics.js");
const { bodyOf } = await load("control/tiers.js");
const { filterOf } = await load("control/audit.js");
const { queryOf } = await load("control/parts.js");
const { stateOf } = await load("control/workers.js");
const { formatBytes, formatMs, formatRate, formatTokens, roughly, shortId } = await load("control/format.js");
const { stepsOf } = await load("control/events.js");
const { placeAt } = await load("routes.js");
await addAllTexts("en");

test("an axis ends at a round number that is not below the highest value", () => {
  for (const [value, top] of [[0, 1], [-3, 1], [1, 1], [1.2, 2], [2.1, 2.5], [3, 5], [7, 10], [10, 10], [1_234, 2_000], [0.03, 0.05]]) assert.equal(ceilingOf(value), top, String(value));
});

test("a line breaks where a value is missing, and an area has a piece on each side of it", () => {
  const points = [[0, 100], [10, 50], [20, null], [30, 0], [40, 10.04]];
  assert.equal(lineOf(points), "M0 100L10 50M30 0L40 10");
  assert.equal(areaOf(points), "M0 100L0 100L10 50L10 100ZM30 100L30 0L40 10L40 100Z");
  assert.equal(areaOf([[0, null], [10, 5], [20, null]]), "", "one point is no area");
});

test("points of the history are sorted by tier and time", () => {
  const points = [{ tier: "pro", at: "2026-01-01T00:01:00Z" }, { tier: "free", at: "2026-01-01T00:00:00Z" }, { tier: "pro", at: "2026-01-01T00:00:00Z" }];
  assert.deepEqual([...byTier(points)], [["pro", [points[2], points[0]]], ["free", [points[1]]]]);
});

test("why a model service is not green is said in words", () => {
  const well = { light: "green", breaker: "closed", rest: null, check: { outcome: "completed" }, error_rate: 0, why: null };
  assert.equal(whyOf(well), "");
  assert.equal(whyOf({ ...well, light: "amber", breaker: "open", rest: { why: "rate_limited" } }), "Its key is used too much and rests");
  assert.equal(whyOf({ ...well, light: "red", breaker: "open", rest: { why: "failed" } }), "It failed too often, and rests");
  assert.equal(whyOf({ ...well, light: "red", check: { outcome: "unreachable" } }), "The last check: it could not be reached");
  assert.equal(whyOf({ ...well, light: "amber", error_rate: 0.25 }), "25% of its calls fail");
  assert.equal(whyOf({ ...well, light: "amber", why: "something new" }), "something new");
});

test("what was used is added up by whatever is asked for", () => {
  const days = [{ day: "1", tier: "free", messages: 2, cost: 0.5 }, { day: "1", tier: "pro", messages: 3 }, { day: "2", tier: "free", messages: 4, cost: 1 }];
  const sums = sumBy(days, ({ tier }) => tier);
  assert.deepEqual([...sums].map(([tier, { messages, cost }]) => [tier, messages, cost]), [["free", 6, 1.5], ["pro", 3, 0]]);
});

test("a tier is sent as it was entered: nothing for an empty number, the default for an empty list", () => {
  assert.deepEqual(bodyOf({ queue_weight: "4", calls_per_minute: "", chat_per_minute: "10", chain: "openai\n anthropic ,", models: " " }),
    { queue_weight: 4, chat_per_minute: 10, chain: ["openai", "anthropic"], models: null });
});

test("filters become queries without what is empty", () => {
  assert.equal(queryOf({ a: "", b: null, c: undefined }), "");
  assert.equal(queryOf({ email: "ada lovelace", tier: "" }), "?email=ada+lovelace");
  const { since, until, verb } = filterOf({ verb: "tier.changed", since: "2026-01-02T03:04", until: "" });
  assert.deepEqual([verb, until], ["tier.changed", ""]);
  assert.equal(Date.parse(since), new Date(2026, 0, 2, 3, 4).getTime());
});

test("a worker that is not alive is nothing else", () => {
  assert.equal(stateOf({ alive: true, state: "paused" }), "paused");
  assert.equal(stateOf({ alive: false, state: "active" }), "gone");
});

test("numbers are as long as they are worth", () => {
  assert.deepEqual([7, 99, 123, 31_337, 0].map(roughly), [7, 99, 120, 31_000, 0]);
  assert.equal(formatTokens({ prompt_tokens: 30_000, completion_tokens: 1_337 }), "about 31,000 tokens");
  assert.deepEqual([0, 0.25, 9.96, 14.2, 1_400].map(formatRate), ["0.0", "0.3", "10.0", "14", "1,400"]);
  assert.deepEqual([null, 0, 420, 1_234, 45_000, 180_000].map(formatMs), ["–", "0ms", "420ms", "1.2s", "45s", "3 min"]);
  assert.deepEqual([0, 900, 1_536, 48 * 2 ** 20].map(formatBytes), ["0B", "900B", "1.5kB", "48MB"]);
  assert.equal(shortId("01940000-7a1c-7000-8000-0123456789ab"), "…456789ab");
  assert.equal(shortId("short"), "short");
});

test("events have the time since the first, and how long the reply is after each", () => {
  const event = (type, second, more) => ({ type, at: `2026-01-01T00:00:0${second}Z`, characters: null, keep: null, ...more });
  const items = [event("request.queued", 0), event("reply.delta", 1, { characters: 12 }), event("reply.delta", 3, { characters: 30 }), event("reply.reset", 4, { keep: 5 }), event("reply.delta", 6, { characters: 2 })];
  assert.deepEqual(stepsOf(items).map(({ ms, length }) => [ms, length]), [[0, 0], [1_000, 12], [3_000, 42], [4_000, 5], [6_000, 7]]);
  assert.deepEqual(stepsOf([]), []);
});

test("an address leads to a section of the room, the queue where it names none", () => {
  assert.deepEqual(placeAt("#/control"), { name: "control", section: "queue" });
  assert.deepEqual(placeAt("#/control/dead-letters"), { name: "control", section: "dead-letters" });
  assert.deepEqual(placeAt("#/control/<b>"), { name: "control", section: "queue" });
});
