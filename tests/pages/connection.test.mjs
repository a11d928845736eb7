// The connection: when it is tried again, and what it does where WebSockets are blocked.

import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./modules.mjs";
import { addAllTexts } from "./texts.mjs";

const { backoff, blockedBackoff, looksBlocked, pauseOf } = await load("lib/connection.js");
const { parseEvents } = await load("lib/event_stream.js");
const { statusText } = await load("lib/connection_status.js");
await addAllTexts("en");

test("the pause before a reconnect doubles up to 15 s, with jitter", () => {
  assert.equal(backoff(1, 0), 300);
  assert.equal(backoff(3, 1), 2_400);
  assert.equal(backoff(30, 1), 15_000);
});

test("a server that stops says when to come back, in the reason of the close", () => {
  assert.equal(pauseOf('{"reconnect_after_ms":1500}'), 1.5);
  for (const reason of ["", "bye", "{}", '{"reconnect_after_ms":"soon"}', "null"]) assert.equal(pauseOf(reason), 0);
});

test("a socket counts as blocked where calls are answered and it ends without a word", () => {
  assert.ok(looksBlocked({ code: 1006, greetedFor: null }));
  assert.ok(!looksBlocked({ code: 1006, greetedFor: 0 }), "it was open");
  assert.ok(!looksBlocked({ code: 1012, greetedFor: null }), "the server has spoken");
  assert.ok(!looksBlocked({ problem: { status: 0 }, greetedFor: null }), "nothing is answered at all");
});

test("while HTTP does the work, a socket is tried every ten seconds to two minutes", () => {
  assert.equal(blockedBackoff(3, 0), 7_500);
  assert.equal(blockedBackoff(4, 0.5), 20_000);
  assert.ok(blockedBackoff(30, 1) <= 150_000);
});

test("events of a stream are read whole, however it is cut", () => {
  const stream = ': here\r\n\r\nid: 1-1\r\nevent: reply.delta\r\ndata: {"text":"a"}\r\n\r\ndata: {"te';
  const { events, rest } = parseEvents(stream);
  assert.deepEqual(events, ['{"text":"a"}']);
  assert.deepEqual(parseEvents(`${rest}xt":"b"}\n\n`), { events: ['{"text":"b"}'], rest: "" });
  assert.deepEqual(parseEvents("data: a\ndata: b\n\n").events, ["a\nb"]);
});

test("the state of the connection is said in words", () => {
  const at = 1_000;
  const said = (status, online = true) => statusText(status, at, online);
  assert.equal(said({ name: "live", over: "socket" }), "Live");
  assert.equal(said({ name: "live", over: "http" }), "Live, without WebSockets");
  assert.equal(said({ name: "waiting", until: 4_200 }), "Reconnecting in 4 s");
  assert.equal(said({ name: "waiting", until: 0 }), "The server cannot be reached");
  assert.equal(said({ name: "waiting", until: 4_200 }, false), "You are offline");
  assert.equal(said({ name: "stopped", why: "signed out" }), "Disconnected: signed out");
});
