// Messages on their way, and drafts: nothing that was written is lost, and nothing is sent twice.

import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./modules.mjs";

const { Problem } = await load("lib/api.js");
const { isTransient, newOutbox, pauseAfter, sentAs } = await load("chat/outbox.js");
const { newDrafts } = await load("chat/drafts.js");
const { moved } = await load("chat/reorder.js");
const { isSendKey, lengthOf } = await load("chat/fit.js");
const { factsOf } = await load("chat/details.js");

function newStorage(initial = {}) {
  const kept = new Map(Object.entries(initial));
  return {
    getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value), removeItem: (name) => kept.delete(name),
    key: (at) => [...kept.keys()][at], get length() { return kept.size; }, kept,
  };
}

const refusal = (status, code) => new Problem({ status, code, detail: "no" });
const item = (key, more) => ({ key, conversation_id: "c", content: key, at: new Date().toISOString(), after: 0, ...more });

function outboxWith(answers, storage = newStorage()) {
  const sent = [];
  const arrived = [];
  const send = async ({ key }) => {
    sent.push(key);
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer ?? "accepted";
  };
  const outbox = newOutbox({ user: "u", storage, send, onSent: (_, { key }) => arrived.push(key), onChange: () => {}, uncertain: "old" });
  return { outbox, sent, arrived, storage };
}

test("messages are sent one after the other, in the order of writing", async () => {
  const { outbox, sent, arrived, storage } = outboxWith([]);
  for (const key of ["1", "2", "3"]) outbox.add(item(key));
  await outbox.flush();
  assert.deepEqual([sent, arrived, outbox.items(), storage.length], [["1", "2", "3"], ["1", "2", "3"], [], 0]);
});

test("a refusal is kept with its reason, and lets the next one pass; sent again it keeps its key", async () => {
  const { outbox, sent, arrived } = outboxWith([refusal(422, "content_too_long")]);
  outbox.add(item("1"));
  outbox.add(item("2"));
  await outbox.flush();
  assert.deepEqual([arrived, outbox.items().map(({ key, failed }) => [key, failed])], [["2"], [["1", "No."]]]);
  outbox.retry("1");
  await outbox.flush();
  assert.deepEqual([sent, arrived], [["1", "2", "1"], ["2", "1"]]);
});

test("without an answer all wait, and survive a reload", async () => {
  const storage = newStorage();
  const { outbox, sent } = outboxWith([refusal(0)], storage);
  outbox.add(item("1"));
  outbox.add(item("2"));
  await outbox.flush();
  assert.deepEqual([sent, outbox.items().map(({ waits, failed }) => [waits, failed ?? null])], [["1"], [["No.", null], [undefined, null]]]);
  const later = outboxWith([], storage);
  await later.outbox.flush();
  assert.deepEqual(later.arrived, ["1", "2"]);
  outbox.clear();
});

test("what is too old for its key is not sent by itself", async () => {
  const { outbox, sent } = outboxWith([]);
  outbox.add(item("1", { at: "2020-01-01T00:00:00Z" }));
  await outbox.flush();
  assert.deepEqual([sent, outbox.items()[0].failed], [[], "old"]);
});

test("items are another user's alone", () => {
  const storage = newStorage({ "troupe.outbox.other": JSON.stringify([item("1")]) });
  assert.deepEqual(outboxWith([], storage).outbox.items(), []);
});

test("a message whose answer was lost is recognised when it is listed", () => {
  const sent = { posted: true, conversation_id: "c", content: "Hello", after: Date.parse("2026-01-01T00:00:00Z") };
  const stored = { conversation_id: "c", content: "Hello", created_at: "2026-01-01T00:00:01Z" };
  assert.equal(sentAs([sent], stored), sent);
  assert.equal(sentAs([{ ...sent, posted: false }], stored), undefined);
  assert.equal(sentAs([sent], { ...stored, created_at: "2025-12-31T23:59:59Z" }), undefined);
});

test("what may pass is tried again, ever later, and never before the server wants it", () => {
  assert.deepEqual([0, 429, 503].map((status) => isTransient({ status })), [true, true, true]);
  assert.deepEqual([404, 409, 422].map((status) => isTransient({ status })), [false, false, false]);
  assert.equal(isTransient({ status: 429, code: "budget_exhausted" }), false);
  assert.deepEqual([pauseAfter(1), pauseAfter(3), pauseAfter(20), pauseAfter(1, 7)], [1_000, 4_000, 30_000, 7_000]);
});

test("drafts are kept by user and by place, and forgotten in the end", () => {
  const storage = newStorage();
  const drafts = newDrafts({ user: "u", storage, now: () => 1_000 });
  drafts.set("c", "half a thought");
  assert.equal(newDrafts({ user: "u", storage, now: () => 2_000 }).get("c"), "half a thought");
  assert.equal(newDrafts({ user: "v", storage, now: () => 2_000 }).get("c"), "");
  assert.equal(newDrafts({ user: "u", storage, now: () => 1e12 }).get("c"), "");
  const full = { ...newStorage(), setItem() { throw new Error("full"); } };
  const unkept = newDrafts({ user: "u", storage: full });
  unkept.set("c", "still here");
  assert.equal(unkept.get("c"), "still here");
});

test("rows of the queue move by places, and not beyond its ends", () => {
  assert.deepEqual(moved(["a", "b", "c"], "c", -2), ["c", "a", "b"]);
  assert.deepEqual(moved(["a", "b", "c"], "a", -1), ["a", "b", "c"]);
  assert.deepEqual(moved(["a", "b", "c"], "b", 9), ["a", "c", "b"]);
});

test("Enter sends, but not the one that chooses a word from an input method", () => {
  const key = { key: "Enter", shiftKey: false, isComposing: false, keyCode: 13 };
  assert.deepEqual([key, { ...key, isComposing: true }, { ...key, keyCode: 229 }, { ...key, shiftKey: true }].map(isSendKey), [true, false, false, false]);
});

test("a message that is too long is known before it is sent", () => {
  assert.deepEqual(lengthOf("short"), { isTooLong: false, words: "" });
  assert.equal(lengthOf("a".repeat(30_000)).isTooLong, false);
  assert.notEqual(lengthOf("a".repeat(30_000)).words, "");
  assert.equal(lengthOf("🌊".repeat(9_000)).isTooLong, true);
});

test("details are those that are known", () => {
  const asked = { created_at: "2026-01-01T00:00:00Z", started_at: "2026-01-01T00:00:02Z", finished_at: "2026-01-01T00:00:05Z", attempt: 1 };
  const keys = (request) => factsOf({ ...asked, ...request }).map(([key]) => key);
  assert.deepEqual(keys({}), ["asked", "waited", "took"]);
  const full = { provider: "p", model: "m", attempt: 2, usage: { prompt_tokens: 1, completion_tokens: 2 }, tries: [{ cost: 0.01, first_word_ms: 200 }] };
  assert.deepEqual(keys(full), ["provider", "model", "asked", "waited", "first_word", "took", "tokens", "cost", "attempts"]);
});
