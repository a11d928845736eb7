// What run.mjs has started for the tests: servers, keys, and a model service that says what a test tells it to.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import OpenAI from "openai";

import { eventually } from "../../browser/src/waiting.mjs";

export const STAGE = JSON.parse(process.env.TROUPE_SDKS);
export const MODEL = "demo";
export const DEADLINE_MS = 30_000;

export const client = ({ server = 0, url = STAGE.servers[server], key = "key", ...options } = {}) =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey: STAGE[key] ?? key, timeout: DEADLINE_MS, ...options });

async function call(url, { key, body }) {
  const answer = await fetch(url, {
    method: body ? "POST" : "GET",
    headers: { "Content-Type": "application/json", ...(key && { Authorization: `Bearer ${key}` }) },
    body: body && JSON.stringify(body),
  });
  assert.ok(answer.ok, `${url}: ${answer.status}`);
  return answer.json();
}

/** See control.mjs. */
export const control = (action, body) => call(`${STAGE.control}/${action}`, { body });

/** The reply to these words comes as it is let through. */
export const gate = (question, chunks, finish) => control("gate", { question, chunks, finish });
export const release = (question, chunks) => control("pass", { question, chunks });

/** What the model service has been asked with these words. */
export const calls = (question) => control("calls", { question });

/** Words that no other test says: the model service is everybody's. */
export const unique = (words) => `${words} ${randomUUID()}`;

/** No SDK sends one by itself. */
export const idempotencyKey = () => ({ "Idempotency-Key": randomUUID() });

export const ask = (words) => ({ model: MODEL, messages: [{ role: "user", content: words }] });

export async function all(stream) {
  const seen = [];
  for await (const item of stream) seen.push(item);
  return seen;
}

/** Waits until a request has ended, which must be so. */
export async function requestEndsAs(id, status) {
  const url = `${STAGE.servers[0]}/api/v1/requests/${id}?wait=10`;
  const ended = ["completed", "failed", "cancelled"];
  const seen = await eventually(`the end of ${id}`, async () => {
    const { status } = await call(url, { key: STAGE.key });
    return ended.includes(status) && status;
  });
  assert.equal(seen, status);
}

/** The error that a call must end with, of this class. */
export async function refused(kind, status, promise) {
  const error = await Promise.resolve(promise).then(() => assert.fail(`no ${kind.name}`), (error) => error);
  assert.ok(error instanceof kind, `${kind.name}, not ${error.stack}`);
  assert.equal(error.status, status);
  assert.ok(error.requestID && error.error.message);
  return error;
}
