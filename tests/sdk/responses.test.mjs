// Responses.

import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";

import { eventually } from "../browser/src/waiting.mjs";
import { MODEL, all, calls, client, gate, idempotencyKey, refused, release, unique } from "./src/stage.mjs";

const { responses } = client();
const there = client({ server: 1 }).responses;

const BEFORE = ["response.created", "response.queued", "response.in_progress", "response.output_item.added", "response.content_part.added"];
const AFTER = ["response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed"];
const DELTA = "response.output_text.delta";

const asking = (input, more) => ({ model: MODEL, input, ...more });
const numbers = (events) => events.map((event) => event.sequence_number);
const textOf = (events) => events.map(({ type, delta }) => (type === DELTA ? delta : "")).join("");
const turns = ({ messages }) => messages.filter(({ role }) => role !== "system").map(({ role, content }) => [role, content]);
const typesOf = (events) => events.map(({ type }) => type);

/** At the other server, which has not taken it. */
const endOf = (id) =>
  eventually(`the end of ${id}`, async () => {
    const seen = await there.retrieve(id);
    return !["queued", "in_progress"].includes(seen.status) && seen;
  });

/** Events up to the first of this type. */
async function until(type, stream) {
  const seen = [];
  for await (const event of stream) {
    seen.push(event);
    if (event.type === type) break;
  }
  return seen;
}

test("a response comes with its usage and its settings, and is kept until it is deleted", async () => {
  const words = unique("What is the sea?");
  const settings = { instructions: "Be brief.", temperature: 0.5, max_output_tokens: 99, metadata: { a: "b" } };
  const reply = await responses.create({ ...asking(words), ...settings });
  assert.deepEqual([reply.output_text, reply.status, reply.model], [`You said: ${words}`, "completed", MODEL]);
  for (const [name, value] of Object.entries(settings)) assert.deepEqual(reply[name], value, name);
  assert.equal(reply.usage.total_tokens, reply.usage.input_tokens + reply.usage.output_tokens);
  const kept = await there.retrieve(reply.id);
  assert.deepEqual({ ...kept }, { ...reply });
  await there.delete(reply.id);
  await refused(OpenAI.NotFoundError, 404, responses.retrieve(reply.id));
  const unstored = await responses.create(asking(unique("Forget"), { store: false }));
  await refused(OpenAI.NotFoundError, 404, responses.create(asking("And?", { previous_response_id: unstored.id })));
});

test("events come in order, and their numbers grow by one", async () => {
  const words = unique("Streamed");
  const events = await all(await responses.create(asking(words, { stream: true })));
  assert.deepEqual(typesOf(events).filter((type) => type !== DELTA), [...BEFORE, ...AFTER]);
  assert.deepEqual(numbers(events), [...events.keys()]);
  const { response } = events.at(-1);
  assert.equal(textOf(events), `You said: ${words}`);
  assert.equal(response.output[0].content[0].text, `You said: ${words}`);
  assert.equal(events[0].response.id, response.id);
});

test("the helper puts a response together", async () => {
  const words = unique("Put together");
  const snapshots = [];
  const stream = responses.stream(asking(words)).on(DELTA, ({ snapshot }) => snapshots.push(snapshot));
  const reply = await stream.finalResponse();
  assert.deepEqual([reply.output_text, snapshots.at(-1)], [`You said: ${words}`, `You said: ${words}`]);
});

test("a failure is the last event", async () => {
  const events = await all(await responses.create(asking(unique("error 400"), { stream: true })));
  const { type, response } = events.at(-1);
  assert.deepEqual([type, response.status, response.error.code], ["response.failed", "failed", "server_error"]);
});

test("a response in the background is polled", async () => {
  const words = unique("later");
  await gate(words, ["The ", "sea."]);
  const accepted = await responses.create(asking(words, { background: true }));
  assert.ok(["queued", "in_progress"].includes(accepted.status));
  await release(words);
  const ended = await endOf(accepted.id);
  assert.deepEqual([ended.status, ended.output_text], ["completed", "The sea."]);
});

test("a stream that broke is taken up at another server", async () => {
  const words = unique("resumed");
  await gate(words, ["The ", "wide ", "sea."]);
  const stream = await responses.create(asking(words, { background: true, stream: true }));
  await release(words, 1);
  const first = await until(DELTA, stream);
  const [{ response: { id } }] = first;
  const last = first.at(-1).sequence_number;
  const resumed = await there.retrieve(id, { stream: true, starting_after: last });
  await release(words);
  const rest = await all(resumed);
  const both = [...first, ...rest];
  assert.deepEqual(numbers(both), [...both.keys()]);
  assert.equal(textOf(both), "The wide sea.");
  assert.deepEqual(numbers(await all(await responses.retrieve(id, { stream: true }))), numbers(both));
  const helper = there.stream({ response_id: id, starting_after: last });
  assert.deepEqual(numbers(await all(helper)), numbers(rest));
  assert.equal((await helper.finalResponse()).output_text, "The wide sea.");
});

test("a response is cancelled by another client, and its reader sees the end", async () => {
  const words = unique("cancelled");
  await gate(words, ["The ", "sea."]);
  const stream = await responses.create(asking(words, { background: true, stream: true }));
  await release(words, 1);
  const events = [];
  let cancelled;
  for await (const event of stream) {
    events.push(event);
    if (event.type === DELTA) cancelled ??= await there.cancel(events[0].response.id);
  }
  assert.equal(cancelled.status, "cancelled");
  assert.equal((await responses.cancel(cancelled.id)).status, "cancelled");
  const { type, response } = events.at(-1);
  assert.deepEqual([type, response.status], ["response.incomplete", "cancelled"]);
  await release(words);
});

test("a response goes on from another, without its instructions", async () => {
  const [first, then] = ["First?", "And then?"].map(unique);
  const before = await responses.create(asking(first, { instructions: "Answer in one word." }));
  await there.create(asking(then, { previous_response_id: before.id }));
  const [asked] = await calls(then);
  assert.deepEqual(turns(asked), [["user", first], ["assistant", before.output_text], ["user", then]]);
  assert.doesNotMatch(asked.messages[0].content, /Answer in one word/);
});

test("input items are listed page by page", async () => {
  const texts = ["1", "2", "3"].map(unique);
  const roles = ["user", "assistant", "user"];
  const reply = await responses.create(asking(texts.map((content, at) => ({ role: roles[at], content }))));
  const items = await all(there.inputItems.list(reply.id, { order: "asc", limit: 2 }));
  assert.deepEqual(items.map(({ role, content }) => [role, content[0].text]), texts.map((text, at) => [roles[at], text]));
});

test("a call with a key is answered once, wherever it is made again", async () => {
  const words = unique("Once");
  const options = { headers: idempotencyKey() };
  const first = await responses.create(asking(words), options);
  assert.equal((await there.create(asking(words), options)).id, first.id);
  assert.equal((await calls(words)).length, 1);
});

test("errors have the classes of the SDK, and name what is at fault", async () => {
  await refused(OpenAI.NotFoundError, 404, responses.retrieve("resp_x"));
  await refused(OpenAI.NotFoundError, 404, responses.create({ ...asking("Hello"), model: "nobody" }));
  const tools = [{ type: "function", name: "f", parameters: { type: "object" }, strict: true }];
  const error = await refused(OpenAI.BadRequestError, 400, responses.create(asking("Hello", { tools })));
  assert.deepEqual([error.code, error.param], ["invalid", "tools"]);
});
