// A conversation that is read in pages, along a path that may change anywhere, and the rows and places of its turns.

import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./modules.mjs";

const {
  isAtEnd, newThread, placeOf, takeAround, takeBeside, takeLatest, takeMessage, takeNewer, takeOlder, turnsIn, versionsOf,
} = await load("chat/thread.js");
const { newReply } = await load("chat/replies.js");
const { estimateHeight, rowsOf, waitingTurns } = await load("chat/rows.js");
const { newHeights } = await load("chat/heights.js");

const message = (id, turn, role = "user", more = {}) =>
  ({ id: `${id} ${role}`, request_id: id, conversation_id: "c", role, content: id, turn, branch: 0, created_at: "2026-01-01T12:00:00Z", ...more });
const both = (id, turn, more) => [message(id, turn, "assistant", more), message(id, turn, "user", more)];
const page = (items, more) => ({ items, next: null, newer: null, ...more });
const ids = (thread) => turnsIn(thread).map(({ id }) => id);

function threadOf(...names) {
  const thread = newThread("c");
  takeLatest(thread, page(names.flatMap((id, at) => both(id, at + 1)).reverse()), 0);
  return thread;
}

test("turns stand by their place on the path, not by their ids", () => {
  const thread = newThread("c");
  takeLatest(thread, page([...both("a", 9), ...both("z", 3)]), 0);
  assert.deepEqual(ids(thread), ["z", "a"]);
});

test("a newest page goes on with what is shown where both have a turn in common", () => {
  const thread = newThread("c");
  takeLatest(thread, page([...both("c", 3), ...both("b", 2)], { next: "n" }), 0);
  takeOlder(thread, page(both("a", 1)));
  takeLatest(thread, page([...both("d", 4), ...both("c", 3)], { next: "m" }), 0);
  assert.deepEqual([ids(thread), thread.next], [["a", "b", "c", "d"], null]);
  takeLatest(thread, page([...both("y", 9), ...both("x", 8)], { next: "k" }), 0);
  assert.deepEqual([ids(thread), thread.next], [["x", "y"], "k"], "more was missed than one page holds");
});

test("what left the path goes, and what was sent while the page was read stays", () => {
  const thread = threadOf("a", "b", "c");
  const { revision } = thread;
  takeMessage(thread, message("sent", 5));
  takeLatest(thread, page([...both("B", 4, { branch: 1 }), ...both("a", 1)]), revision);
  assert.deepEqual(ids(thread), ["a", "B", "sent"]);
});

test("a message of another branch asks for reading anew", () => {
  const thread = threadOf("a");
  assert.equal(takeMessage(thread, message("b", 2, "user", { branch: 1 })), false);
  assert.equal(takeMessage(thread, message("b", 2)), true);
  assert.deepEqual(ids(thread), ["a", "b"]);
});

test("a stretch in the middle takes no newer messages until it reaches the end", () => {
  const thread = newThread("c");
  takeAround(thread, page([...both("c", 3), ...both("b", 2)], { next: "o", newer: "n" }));
  assert.equal(takeMessage(thread, message("z", 9)), true);
  assert.deepEqual([ids(thread), isAtEnd(thread)], [["b", "c"], false]);
  takeNewer(thread, page(both("d", 4), { newer: null }));
  assert.equal(isAtEnd(thread), true);
  takeMessage(thread, message("z", 9));
  assert.deepEqual(ids(thread), ["b", "c", "d", "z"]);
});

test("another reply stands in the place of the first at once, and nothing behind it", () => {
  const thread = threadOf("a", "b", "c");
  takeBeside(thread, message("B", 4, "user", { branch: 1 }), "b", true);
  assert.deepEqual([ids(thread), thread.branch], [["a", "B"], 1]);
  const turn = turnsIn(thread)[1];
  assert.deepEqual(versionsOf(turn), { reply: { at: 1, ids: ["b", "B"] }, question: { at: 0, ids: ["B"] } });
  assert.equal(placeOf(turn), "b");
  assert.equal(takeBeside(thread, message("x", 9), "gone", true), false);
});

test("versions of a question lead to the newest turn of each", () => {
  const variants = [["1", "1"], ["2", "1"], ["3", "3"], ["4", "3"]].map(([request_id, question_of]) => ({ request_id, question_of }));
  const turn = { id: "2", ask: message("2", 1, "user", { variants }) };
  assert.deepEqual(versionsOf(turn), { reply: { at: 1, ids: ["1", "2"] }, question: { at: 0, ids: ["2", "4"] } });
  assert.deepEqual(versionsOf({ id: "5", ask: message("5", 1) }).reply, { at: 0, ids: ["5"] });
});

test("rows are days, questions and replies, and what waits behind a running reply is in none of them", () => {
  const thread = threadOf("a");
  takeMessage(thread, message("b", 2));
  takeMessage(thread, message("c", 3));
  const replies = new Map([
    ["a", { ...newReply("a", "c"), status: "completed", text: "A." }], ["b", { ...newReply("b", "c"), status: "in_progress" }], ["c", newReply("c", "c")],
  ]);
  const kinds = (items) => rowsOf(thread, replies, items).map(({ kind, turn, item }) => [kind, turn?.id ?? item?.key].filter(Boolean).join(" "));
  assert.deepEqual([...waitingTurns(turnsIn(thread), replies)], ["c"]);
  assert.deepEqual(kinds([]), ["day", "ask a", "reply a", "ask b", "reply b"]);
  const item = { key: "k", content: "x", at: "2026-01-01T12:00:00Z" };
  assert.deepEqual(kinds([item]).slice(-1), ["reply b"], "behind a reply that runs it shows in the queue");
  assert.deepEqual(kinds([{ ...item, failed: "no" }]).slice(-1), ["out k"]);
  assert.deepEqual(kinds([{ ...item, replaces: "b" }]), ["day", "ask a", "reply a", "out k"], "an edited question takes the place of the first");
});

test("rows keep their keys when another version takes their place", () => {
  const variants = [{ request_id: "b", question_of: "b" }, { request_id: "B", question_of: "b" }];
  const keys = (id) => {
    const thread = newThread("c");
    takeLatest(thread, page([message(id, 2, "user", { variants })]), 0);
    return rowsOf(thread, new Map([[id, newReply(id, "c")]])).map(({ key }) => key);
  };
  assert.deepEqual(keys("b"), keys("B"));
});

test("rows stand by measured heights, and by estimates where there are none", () => {
  const heights = newHeights(() => 100);
  const rows = Array.from({ length: 5_000 }, (_, at) => ({ key: `r${at}`, text: "" }));
  heights.setRows(rows);
  assert.equal(heights.total(), 500_000);
  assert.equal(heights.measure("r1", 50), true);
  assert.equal(heights.measure("r1", 50), false);
  assert.deepEqual([heights.topOf(2), heights.indexAt(149), heights.indexAt(150), heights.indexAt(-5), heights.indexAt(1e9)], [150, 1, 2, 0, 4_999]);
  assert.deepEqual(heights.range(120, 260), [1, 4]);
  heights.setRows([{ key: "new", text: "" }, ...rows]);
  assert.equal(heights.topOf(heights.indexOf("r2")), 250, "what is measured stays so when rows come before it");
  heights.forgetAll();
  assert.equal(heights.total(), 500_100);
  heights.setRows([]);
  assert.deepEqual([heights.total(), heights.range(0, 900)], [0, [0, 0]]);
});

test("a longer text is estimated higher", () => {
  const height = (text) => estimateHeight({ kind: "reply", text });
  assert.ok(height("word ".repeat(400)) > height("word ".repeat(100)));
  assert.ok(height("a\nb\nc\nd\ne\nf") > height("abcdef"));
});
