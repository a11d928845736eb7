// A model service that says what a test tells it to, over a real socket, in OpenAI's dialect.
//
// What it says is chosen by the last message of the user: a script of the test's own for exactly these words (`on`), or
// else by the first word of it (`markdown`, `long`, `slow`, `error`, …, see `builtIn`), or else an echo. By hand:
//
//   node tests/browser/src/provider.mjs --port 9999

import http from "node:http";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { REPLIES, words } from "./replies.mjs";

const USAGE = { prompt_tokens: 12, completion_tokens: 7, total_tokens: 19 };

/** A reply of these chunks. */
export const say = (chunks) => ({ chunks });

/** A refusal of the call with this status. */
export const refuse = (status, message = "as scripted") => ({ status, message });

/** The call is taken and never answered. */
export const hang = () => ({ silent: true });

/** A reply whose chunks come as the test lets them: all that were let through so far, and no more. */
export class Gated {
  #allowed = 0;
  #open = false;
  #waiting = [];

  /** `finish`: why it ends, as OpenAI calls it. */
  constructor(chunks, finish) {
    Object.assign(this, { chunks, finish });
  }

  /** Lets so many more chunks pass. */
  pass(chunks = 1) {
    this.#allowed += chunks;
    this.#wake();
  }

  /** Lets everything pass, from now on. */
  open() {
    this.#open = true;
    this.#wake();
  }

  /** Waits until the chunk of this number may pass. */
  async passed(number) {
    while (!this.#open && number >= this.#allowed) await new Promise((wake) => this.#waiting.push(wake));
  }

  #wake() {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** By the first word of a message. */
function builtIn(question, pace) {
  const [, word, count] = /^(\w+)(?:\s+(\d+))?/.exec(question) ?? [];
  switch (word?.toLowerCase()) {
    case "slow": return { chunks: split(words(Number(count) || 200)), pace };
    case "error": return refuse(Number(count) || 400);
    case "hang": return hang();
    default: return say(split(REPLIES[word?.toLowerCase()]?.() ?? `You said: ${question}`));
  }
}

/** In words, but a long text in few chunks. */
const split = (text) => text.match(text.length > 100_000 ? /[^]{1,4000}/g : /\s*\S+\s*/g) ?? [text];

export class ScriptedProvider {
  #server;
  #scripts = new Map();
  #waiting = [];
  #pace;
  calls = [];
  /** What was to be spoken, and with which voice. */
  spoken = [];
  secondsASentence = 0.5;

  /** `pace`: milliseconds between the words of what is slow without a test's control. */
  static async start({ port = 0, pace = 100 } = {}) {
    const provider = new ScriptedProvider();
    provider.#pace = pace;
    provider.#server = http.createServer((request, response) => provider.#answer(request, response).catch(() => response.destroy()));
    provider.#server.listen(port, "127.0.0.1");
    await once(provider.#server, "listening");
    return provider;
  }

  get baseUrl() {
    return `http://127.0.0.1:${this.#server.address().port}/v1`;
  }

  /** These words are answered with these scripts, one after the other, the last for ever after. */
  on(question, ...scripts) {
    this.#scripts.set(question, scripts.map((script) => (typeof script === "string" ? say(split(script)) : script)));
  }

  /** The same, a chunk at a time, when the test says so: `pass()` and `open()` of what is returned. */
  gate(question, chunks, finish) {
    const gated = new Gated(typeof chunks === "string" ? split(chunks) : chunks, finish);
    this.#scripts.set(question, [gated]);
    return gated;
  }

  /** Whatever was said before: journeys that share it must not get each other's scripts. */
  forget() {
    this.#scripts.clear();
    this.calls = [];
    this.spoken = [];
    this.secondsASentence = 0.5;
  }

  /** Waits until it has been asked this so many times. */
  async asked(question, times = 1) {
    const enough = () => this.calls.filter((call) => call.question === question).length >= times;
    while (!enough()) await new Promise((wake) => this.#waiting.push(wake));
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #scriptOf(question) {
    const scripts = this.#scripts.get(question);
    if (!scripts) return builtIn(question, this.#pace);
    return scripts.length > 1 ? scripts.shift() : scripts[0];
  }

  #speak({ input, voice }, response) {
    this.spoken.push({ input, voice });
    response.writeHead(200, { "Content-Type": "audio/wav" }).end(toneOf(this.secondsASentence));
  }

  async #answer(request, response) {
    const { pathname } = new URL(request.url, "http://provider");
    if (pathname === "/v1/models") return json(response, 200, { object: "list", data: [{ id: "scripted", object: "model", owned_by: "tests" }] });
    if (pathname === "/health") return json(response, 200, { status: "ok" });
    if (pathname === "/v1/embeddings") return json(response, 200, embeddings(await bodyOf(request)));
    if (pathname === "/v1/audio/speech") return this.#speak(await bodyOf(request), response);
    if (pathname !== "/v1/chat/completions") return json(response, 404, { error: { message: "no such address" } });
    const body = await bodyOf(request);
    const question = textOf(body.messages.findLast(({ role }) => role === "user"));
    this.calls.push({ question, body });
    for (const wake of this.#waiting.splice(0)) wake();
    await perform(this.#scriptOf(question), body, response);
  }
}

/** A tone, as a WAV file of 16 bit mono. */
function toneOf(seconds, rate = 24_000) {
  const samples = Math.round(seconds * rate);
  const file = Buffer.alloc(44 + 2 * samples);
  file.write("RIFF", 0);
  file.writeUInt32LE(36 + 2 * samples, 4);
  file.write("WAVEfmt ", 8);
  [[16, 4], [1, 2], [1, 2], [rate, 4], [2 * rate, 4], [2, 2], [16, 2]].reduce((at, [value, size]) => file.writeUIntLE(value, at, size), 16);
  file.write("data", 36);
  file.writeUInt32LE(2 * samples, 40);
  for (let at = 0; at < samples; at += 1) file.writeInt16LE(Math.round(6_000 * Math.sin((2 * Math.PI * 220 * at) / rate)), 44 + 2 * at);
  return file;
}

async function perform(script, { stream, stream_options: options }, response) {
  if (script.silent) return;
  if (script.status) return json(response, script.status, { error: { message: script.message, type: "scripted" } });
  const finish = script.finish ?? "stop";
  if (!stream) return json(response, 200, { id: "chatcmpl-1", object: "chat.completion", created: 1, model: "scripted", usage: USAGE,
    choices: [{ index: 0, message: { role: "assistant", content: script.chunks.join("") }, finish_reason: finish }] });
  response.writeHead(200, { "Content-Type": "text/event-stream", Connection: "close" });
  const chunk = (delta, finish_reason = null) => event(response, { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1,
    model: "scripted", choices: [{ index: 0, delta, finish_reason }] });
  await chunk({ role: "assistant", content: "" });
  for (const [number, content] of script.chunks.entries()) {
    if (script.pace) await pause(script.pace);
    await script.passed?.(number);
    if (response.destroyed) return;
    await chunk({ content });
  }
  await script.passed?.(script.chunks.length);
  await chunk({}, finish);
  if (options?.include_usage) await event(response, { id: "chatcmpl-1", choices: [], usage: USAGE });
  response.end("data: [DONE]\n\n");
}

async function event(response, data) {
  if (response.write(`data: ${JSON.stringify(data)}\n\n`) || response.destroyed) return;
  await new Promise((go) => {
    const done = () => go(response.off("drain", done).off("close", done));
    response.on("drain", done).on("close", done);
  });
}

function json(response, status, body) {
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}

async function bodyOf(request) {
  const chunks = await request.toArray();
  return JSON.parse(Buffer.concat(chunks).toString());
}

/** Content is a text, or parts of which some are. */
const textOf = (message) => {
  const content = message?.content ?? "";
  return typeof content === "string" ? content : content.map(({ text = "" }) => text).join("");
};

/** Vectors by the letters of a text: the same text has the same, similar ones have similar. */
function embeddings({ input, model, dimensions = 384 }) {
  const vector = (text) => {
    const counts = new Array(dimensions).fill(0);
    for (const letter of text.toLowerCase()) counts[letter.codePointAt(0) % dimensions] += 1;
    const length = Math.hypot(...counts) || 1;
    return counts.map((count) => count / length);
  };
  const data = [input].flat().map((text, index) => ({ object: "embedding", index, embedding: vector(text) }));
  return { object: "list", model, data, usage: { prompt_tokens: 1, total_tokens: 1 } };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { port } = parseArgs({ options: { port: { type: "string", default: "0" } } }).values;
  const provider = await ScriptedProvider.start({ port: Number(port) });
  console.log(`a scripted model service: OPENAI_BASE_URL=${provider.baseUrl}`);
}
