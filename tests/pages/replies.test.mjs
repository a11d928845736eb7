// The chat page's state: whatever order things come in, and however often, what is shown is the reply.

import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./modules.mjs";

const {
  applyEvent, applyHello, applyMessage, applyRequest, applySnapshot, applyDetails, isAfter, isFinal, newReply, parseCursor, toStop,
} = await load("chat/replies.js");
const { keepCodePoints, titleOf } = await load("lib/text.js");
const { placeAt } = await load("routes.js");

const event = (type, cursor, more) => ({ type, cursor, request_id: "r", conversation_id: "c", ...more });
const delta = (cursor, text) => event("reply.delta", cursor, { text });
const told = (...events) => events.reduce(applyEvent, newReply("r", "c"));
const message = (content) => ({ id: "m", request_id: "r", conversation_id: "c", role: "assistant", content });

test("a reply grows by its deltas and ends with the whole message", () => {
  const reply = told(
    event("request.queued", "0-1"), event("request.started", "1-1"), delta("1-2", "The "), delta("1-3", "sea"),
    event("reply.completed", "1-4", { message: message("The sea.") }),
  );
  assert.equal(reply.text, "The sea.");
  assert.equal(reply.status, "completed");
});

test("a reply that is not whole says why, however it was learned", () => {
  const end = { message: message("The se"), incomplete: "cut" };
  assert.equal(told(event("reply.completed", "1-2", end)).incomplete, "cut");
  assert.equal(told(event("reply.completed", "1-2", { message: message("The sea.") })).incomplete, null);
  const polled = applyRequest(newReply("r", "c"), { status: "completed", reply: message("The se"), incomplete: "length" });
  assert.deepEqual([polled.text, polled.incomplete], ["The se", "length"]);
});

test("what comes late, twice or after the end changes nothing", () => {
  const before = told(delta("1-1", "a"), delta("1-3", "b"));
  for (const late of [delta("1-3", "b"), delta("1-2", "x"), event("reply.reset", "1-1", { keep: 0 })]) {
    assert.equal(applyEvent(before, late), before);
  }
  const over = told(delta("1-1", "a"), event("request.failed", "1-2", { error: { detail: "no" } }));
  assert.equal(applyEvent(over, delta("2-1", "more")), over);
  assert.equal(over.text, "a");
});

test("a reset keeps whole characters and shuts the older attempt out", () => {
  const reply = told(delta("1-1", "🌊🌊 wave"), event("reply.reset", "2-1", { keep: 2 }), delta("1-9", "late"), delta("2-2", "!"));
  assert.equal(reply.text, "🌊🌊!");
  assert.equal(reply.attempt, 2);
  assert.equal(keepCodePoints("👩‍👩‍👧x", 5), "👩‍👩‍👧");
});

test("cursors are ordered by attempt, then number", () => {
  assert.ok(isAfter(parseCursor("2-1"), parseCursor("1-900")));
  assert.ok(isAfter(parseCursor("1-10"), parseCursor("1-9")));
  assert.ok(!isAfter(parseCursor("1-9"), parseCursor("1-9")));
  for (const bad of ["", "1", "a-b", undefined]) assert.equal(parseCursor(bad), null);
  const reply = newReply("r", "c");
  assert.equal(applyEvent(reply, delta("nonsense", "x")), reply);
});

test("an event of a kind that this page does not know yet is passed over", () => {
  const reply = told(delta("1-1", "a"));
  assert.equal(applyEvent(reply, event("speech.ready", "1-2")), reply);
});

test("a snapshot replaces what is known unless it is older", () => {
  const reply = told(delta("1-5", "more than"));
  assert.equal(applySnapshot(reply, { status: "in_progress", cursor: "1-3", text: "mo" }).text, "more than");
  const newer = applySnapshot(reply, { status: "in_progress", cursor: "1-7", text: "more than that" });
  assert.equal(newer.text, "more than that");
  assert.equal(applyEvent(newer, delta("1-6", "late")), newer);
});

test("after a hello, what it does not list is unsure, and the stored reply settles it", () => {
  const replies = new Map([["r", told(delta("1-1", "half"))], ["s", { ...newReply("s", "c"), status: "completed" }]]);
  const next = applyHello(replies, { active: [{ request_id: "t", conversation_id: "c", status: "queued", cursor: "0-0", text: "" }] });
  assert.equal(next.get("r").unsure, true);
  assert.equal(next.get("s").unsure, false);
  assert.equal(next.get("t").status, "queued");
  const settled = applyMessage(next.get("r"), message("half and whole"));
  assert.deepEqual([settled.text, settled.status, settled.unsure], ["half and whole", "completed", false]);
});

test("a polled request settles what is open and nothing else", () => {
  const open = told(delta("1-1", "half"));
  assert.equal(applyRequest(open, { status: "in_progress" }).text, "half");
  const failed = applyRequest(open, { status: "failed", error: { detail: "no" } });
  assert.ok(isFinal(failed));
  assert.equal(failed.error.detail, "no");
  assert.equal(applyRequest(failed, { status: "in_progress" }), failed);
});

test("what only the request tells of a reply is added once it has ended", () => {
  const whole = told(event("reply.completed", "1-2", { message: message("The sea.") }));
  const retrieval = { mode: "hybrid", sources: [] };
  const amended = applyDetails(whole, { retrieval });
  assert.deepEqual([amended.text, amended.retrieval], ["The sea.", retrieval]);
  assert.equal(applyDetails(amended, { retrieval }), amended);
  const open = told(delta("1-1", "half"));
  assert.equal(applyDetails(open, { retrieval }), open);
});

test("a list tells how a reply ended and how it was rated, also of one that is known", () => {
  const listed = { ...message("The"), outcome: { status: "cancelled" } };
  const stopped = applyMessage(newReply("r", "c"), listed);
  assert.deepEqual([stopped.status, stopped.text, stopped.rating], ["cancelled", "The", null]);
  const whole = told(event("reply.completed", "1-2", { message: message("The sea.") }));
  assert.equal(applyMessage(whole, message("The sea.")), whole);
  const outcome = { status: "completed", incomplete: "length", rating: "up" };
  const rated = applyMessage(whole, { ...message("The sea."), outcome });
  assert.deepEqual([rated.text, rated.incomplete, rated.rating], ["The sea.", "length", "up"]);
  assert.equal(applyMessage(rated, { ...message("The sea."), outcome }), rated);
});

test("a stop is meant for the first reply of the conversation that has not ended", () => {
  const reply = (id, status, conversation = "c") => [id, { ...newReply(id, conversation), status }];
  const replies = new Map([reply("4", "queued"), reply("0", "queued"), reply("3", "in_progress"), reply("1", "completed"), reply("2", "in_progress", "d")]);
  assert.equal(toStop(replies, "c").id, "3");
  assert.equal(toStop(replies, "e"), undefined);
});

test("an address leads to the account, and a strange one home", () => {
  assert.deepEqual(placeAt("#/account"), { name: "account" });
  assert.deepEqual(["#/nowhere", "", "#/c/../x"].map((hash) => placeAt(hash).name), ["home", "home", "home"]);
});

test("a title is the beginning of the first line, and never ends within an emoji or a word", () => {
  assert.equal(titleOf("  Hello there.\nHow are you?"), "Hello there.");
  assert.equal(titleOf("a".repeat(55) + " and more"), `${"a".repeat(55)} and…`);
  assert.equal(titleOf("a".repeat(55) + " moreover"), `${"a".repeat(55)}…`);
  assert.equal(titleOf("a" + "😀".repeat(60)), `a${"😀".repeat(59)}…`);
});

test("an address that makes no sense leads home", () => {
  const home = { name: "home" };
  assert.deepEqual(placeAt("#/c/01a1fdc1-f925"), { name: "chat", id: "01a1fdc1-f925" });
  assert.deepEqual(placeAt("#/c/01a1fdc1-f925/01a2-b"), { name: "chat", id: "01a1fdc1-f925", request: "01a2-b" });
  assert.deepEqual(placeAt("#/new/a%20b"), { name: "new", slug: "a b" });
  assert.deepEqual(placeAt("#/reset/aB3_-x"), { name: "reset", token: "aB3_-x" });
  assert.deepEqual(placeAt("#/verify/aB3_-x"), { name: "verify", token: "aB3_-x" });
  assert.deepEqual(placeAt("#/join/aB3_-x"), { name: "join", invitation: "aB3_-x" });
  for (const hash of ["", "#", "#/join/", "#/join/a%20b", "#/", "#/c", "#/c/", "#/c/%", "#/c/..%2fx", "#/c/a?b", "#/new/%", "#/reset/", "#/reset/a%20b", "#/verify/", "#/verify/a%20b", "#/what"]) assert.deepEqual(placeAt(hash), home);
});
