// Models and chat completions.

import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";

import { MODEL, all, ask, calls, client, control, gate, idempotencyKey, refused, release, requestEndsAs, unique } from "./src/stage.mjs";

const openai = client();
const completions = openai.chat.completions;
const joined = (chunks) => chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("");

test("a persona is a model", async () => {
  const models = await all(openai.models.list());
  const model = await openai.models.retrieve(MODEL);
  assert.deepEqual(models.find(({ id }) => id === MODEL), { ...model });
  assert.deepEqual([model.object, model.owned_by], ["model", "troupe"]);
});

test("a reply comes with its usage and its request", async () => {
  const words = unique("What is the sea?");
  const reply = await completions.create(ask(words));
  const [{ message, finish_reason: end }] = reply.choices;
  assert.deepEqual([message.role, message.content, end, reply.model], ["assistant", `You said: ${words}`, "stop", MODEL]);
  assert.equal(reply.usage.total_tokens, reply.usage.prompt_tokens + reply.usage.completion_tokens);
  assert.ok(reply._request_id);
  await requestEndsAs(reply.troupe.request_id, "completed");
});

test("history, instructions and settings reach the model service", async () => {
  const words = unique("And then?");
  const wanted = { temperature: 1.5, top_p: 0.5, seed: 7, presence_penalty: 0.25, frequency_penalty: -0.25, max_completion_tokens: 12, stop: ["END"] };
  const messages = [
    { role: "developer", content: "Answer in one word." },
    { role: "user", content: "First?" },
    { role: "assistant", content: "One." },
    { role: "user", content: [{ type: "text", text: words }] },
  ];
  await completions.create({ model: MODEL, messages, ...wanted, unknown: { x: 1 }, metadata: { a: "b" }, tools: [], n: 1 });
  const [asked] = await calls(words);
  const [system, ...turns] = asked.messages;
  assert.match(system.content, /Answer in one word\./);
  assert.deepEqual(turns.map(({ role }) => role), ["user", "assistant", "user"]);
  for (const [name, value] of Object.entries(wanted)) assert.deepEqual(asked[name], value, name);
});

test("a stream says its words, then how it ended, then its usage", async () => {
  const words = unique("Streamed");
  const chunks = await all(await completions.create({ ...ask(words), stream: true, stream_options: { include_usage: true } }));
  const usage = chunks.at(-1);
  const choices = chunks.slice(0, -1);
  assert.deepEqual([usage.choices, usage.usage.completion_tokens > 0], [[], true]);
  for (const { id, created, model } of chunks) assert.deepEqual([id, created, model], [usage.id, usage.created, MODEL]);
  assert.equal(choices[0].choices[0].delta.role, "assistant");
  const ends = choices.map(({ choices }) => choices[0].finish_reason);
  assert.deepEqual([ends.at(-1), ends.slice(0, -1).every((end) => end === null)], ["stop", true]);
  assert.equal(joined(choices), `You said: ${words}`);
});

test("words come while the model service still speaks, and the helper puts them together", async () => {
  const words = unique("gated");
  await gate(words, ["The ", "sea."]);
  const stream = completions.stream(ask(words));
  const first = stream.emitted("content");
  await release(words, 1);
  await first;
  assert.equal(stream.currentChatCompletionSnapshot.choices[0].message.content, "The ");
  await release(words);
  assert.equal(await stream.finalContent(), "The sea.");
});

test("a failure in the midst is an error", async () => {
  const stream = await completions.create({ ...ask(unique("error 400")), stream: true });
  await assert.rejects(all(stream), (error) => error instanceof OpenAI.APIError && error.code === "provider_failed");
});

test("a stream that its reader closes is cancelled", async () => {
  const words = unique("closed");
  await gate(words, ["The ", "sea."]);
  const stream = await completions.create({ ...ask(words), stream: true });
  let id;
  for await (const chunk of stream) {
    ({ id } = chunk);
    break;
  }
  await requestEndsAs(id.replace("chatcmpl-", ""), "cancelled");
  await release(words);
});

test("a call that is given up is cancelled", async () => {
  const words = unique("aborted");
  await gate(words, ["Hm."]);
  const stream = await completions.create({ ...ask(words), stream: true });
  const { value } = await stream[Symbol.asyncIterator]().next();
  stream.controller.abort();
  await requestEndsAs(value.id.replace("chatcmpl-", ""), "cancelled");
  await release(words);
});

test("errors have the classes of the SDK", async () => {
  const hello = ask(unique("Hello"));
  const codeOf = async (...expected) => (await refused(...expected)).code;
  assert.equal(await codeOf(OpenAI.NotFoundError, 404, completions.create({ ...hello, model: "nobody" })), "not_found");
  assert.equal(await codeOf(OpenAI.NotFoundError, 404, openai.models.retrieve("nobody")), "not_found");
  assert.equal(await codeOf(OpenAI.AuthenticationError, 401, client({ key: "trp_nothing" }).models.list()), "unauthenticated");
  const reader = client({ key: "reading_key" });
  assert.equal(await codeOf(OpenAI.PermissionDeniedError, 403, reader.chat.completions.create(hello)), "out_of_scope");
  const limited = client({ key: "limited_key", maxRetries: 0 });
  const often = (async () => {
    for (let times = 0; times < 3; times += 1) await limited.chat.completions.create(hello);
  })();
  assert.equal(await codeOf(OpenAI.RateLimitError, 429, often), "rate_limited");
});

test("what is not supported is refused by its name", async () => {
  const tools = [{ type: "function", function: { name: "f", parameters: { type: "object" } } }];
  for (const [param, value] of Object.entries({ n: 2, tools, response_format: { type: "json_object" }, logprobs: true, temperature: 2.5 })) {
    const error = await refused(OpenAI.BadRequestError, 400, completions.create({ ...ask("Hello"), [param]: value }));
    assert.deepEqual([error.code, error.param, error.type], ["invalid", param, "invalid_request"]);
  }
});

test("a reply that failed is not asked again", async () => {
  const words = unique("error 400");
  const error = await refused(OpenAI.InternalServerError, 502, completions.create(ask(words), { maxRetries: 5 }));
  assert.deepEqual([error.code, error.type, error.headers.get("x-should-retry")], ["provider_failed", "model_error", "false"]);
  assert.equal((await calls(words)).length, 1);
});

test("what never came to a server is asked again", async () => {
  const words = unique("Hello");
  const { url } = await control("relay", { faults: ["reset", 503] });
  const reply = await client({ url }).chat.completions.create(ask(words));
  assert.equal(reply.choices[0].message.content, `You said: ${words}`);
  assert.equal((await calls(words)).length, 1);
});

test("a call with a key is answered once, wherever it is made again", async () => {
  const words = unique("Once");
  const options = { headers: idempotencyKey() };
  const first = await completions.create(ask(words), options);
  const { data: second, response } = await client({ server: 1 }).chat.completions.create(ask(words), options).withResponse();
  assert.deepEqual([second.id, second.choices], [first.id, first.choices]);
  assert.equal(response.headers.get("idempotency-replayed"), "true");
  assert.equal((await calls(words)).length, 1);
  const other = await refused(OpenAI.BadRequestError, 400, completions.create(ask(unique("Else")), options));
  assert.equal(other.code, "idempotency_key_reused");
});
