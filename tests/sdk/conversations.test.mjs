// Conversations.

import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";

import { MODEL, all, calls, client, refused, unique } from "./src/stage.mjs";

const { conversations, responses } = client();
const there = client({ server: 1 }).responses;

test("a conversation keeps what was said in it by responses", async () => {
  const [first, then] = ["First?", "And then?"].map(unique);
  const { id } = await conversations.create({ metadata: { model: MODEL } });
  const said = await responses.create({ model: MODEL, input: first, conversation: id });
  assert.equal(said.conversation.id, id);
  await there.create({ model: MODEL, input: then, conversation: { id } });
  const [{ messages }] = await calls(then);
  assert.deepEqual(messages.slice(1).map(({ content }) => content), [first, said.output_text, then]);
  const items = await all(conversations.items.list(id, { order: "asc" }));
  assert.deepEqual(items.map(({ role }) => role), ["user", "assistant", "user", "assistant"]);
  await conversations.delete(id);
  await refused(OpenAI.NotFoundError, 404, conversations.retrieve(id));
});
