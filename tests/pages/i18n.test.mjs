// Texts by key, language and number, and dates to match.

import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./modules.mjs";

const { addTexts, bestLanguage, formatDay, formatRelative, formatSeconds, hasText, t } = await load("lib/i18n.js");
const { faultText, problemText } = await load("lib/problems.js");

addTexts("en", "side", { greeting: "Good morning, {name}", found: { one: "{count} result", other: "{count} results" } });
addTexts("en", "common", { today: "Today", yesterday: "Yesterday" });
addTexts("en", "problems", {
  unexpected: "The server answered {status}.", field: { long: "Must not have more than {most} characters.", wrong: "Wrong." },
});

test("a text takes values, and the form of its number", () => {
  assert.equal(t("side.greeting", { name: "Ada" }), "Good morning, Ada");
  assert.equal(t("side.found", { count: 1 }), "1 result");
  assert.equal(t("side.found", { count: 1_200 }), "1,200 results");
  assert.equal(t("side.greeting", {}), "Good morning, {name}");
  assert.equal(t("side.greeting", { name: "{count}", count: 3 }), "Good morning, {count}");
});

test("a text that is nowhere shows its key, and a group is no text", () => {
  assert.equal(t("side.nothing"), "side.nothing");
  assert.ok(hasText("side.greeting") && !hasText("side.nothing") && !hasText("nothing.at.all"));
});

test("a name in the other direction is isolated from the punctuation around it", () => {
  assert.equal(t("side.greeting", { name: "سارة!" }), "Good morning, \u2068سارة!\u2069");
});

test("the language is the first of the browser's that there are catalogues of", () => {
  assert.equal(bestLanguage(["pt-BR", "de-AT", "en"]), "de");
  assert.equal(bestLanguage(["AR-eg"]), "ar");
  for (const none of [[], ["zh"]]) assert.equal(bestLanguage(none), "en");
});

test("times are told as people do", () => {
  const now = new Date(2026, 10, 27, 12).getTime();
  assert.equal(formatDay(now - 3_600_000, now), "Today");
  assert.equal(formatDay(now - 86_400_000, now), "Yesterday");
  assert.match(formatDay(now - 10 * 86_400_000, now), /November/);
  assert.match(formatDay(now - 400 * 86_400_000, now), /2025/);
  assert.equal(formatRelative(now - 3 * 3_600_000, now), "3 hours ago");
  assert.equal(formatRelative(now + 300_000, now), "in 5 minutes");
  assert.deepEqual([0, 40, 100, 7_200].map(formatSeconds), ["0 sec", "40 sec", "2 min", "2 hr"]);
});

test("what the server says of a field is a sentence in the catalogue, and anything else its own words", () => {
  assert.equal(faultText("must not have more than 200 characters"), "Must not have more than 200 characters.");
  assert.equal(faultText("is stranger than that"), "Is stranger than that.");
  assert.equal(problemText({ status: 401, detail: "the address or the password is wrong" }), "Wrong.");
  assert.equal(problemText({ status: 409, code: "email_taken", detail: "this address is taken" }), "This address is taken.");
  assert.equal(problemText({ status: 502 }), "The server answered 502.");
});
