// Embeddings and speech.

import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";

import { MODEL, client, refused } from "./src/stage.mjs";

const { audio, embeddings } = client();
const model = "lexical-1";

test("texts become vectors, in base64 or in numbers", async () => {
  const input = ["The sea is wide", "Bread"];
  // The SDK asks for base64 unless it is told otherwise.
  const packed = await embeddings.create({ model, input });
  const numbers = await embeddings.create({ model, input, encoding_format: "float" });
  for (const [at, { index, embedding }] of packed.data.entries()) {
    assert.equal(index, at);
    assert.deepEqual([...embedding].map(Math.fround), numbers.data[at].embedding.map(Math.fround));
  }
});

test("a text is spoken", async () => {
  const call = { model: MODEL, voice: "default", input: "The sea is wide.", response_format: "wav" };
  const sound = Buffer.from(await (await audio.speech.create(call)).arrayBuffer());
  assert.equal(sound.toString("latin1", 0, 4), "RIFF");
  assert.equal((await refused(OpenAI.BadRequestError, 400, audio.speech.create({ ...call, voice: "nobody" }))).param, "voice");
});
