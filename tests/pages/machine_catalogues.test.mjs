// Catalogues that are translated by machine: what there is of them, and what comes later.

import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./modules.mjs";

const { followCatalogue } = await load("lib/machine_catalogues.js");

/** Answers calls one after the other; the last answer is for all that follow. */
function answering(t, ...answers) {
  const asked = [];
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.mock.method(globalThis, "fetch", async (address) => {
    asked.push(address);
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    return Response.json(answer, { status: answer.status ?? 200 });
  });
  return asked;
}

/** Lets timers run until a number of calls were made. */
async function until(t, asked, calls) {
  while (asked.length < calls) {
    await new Promise(setImmediate);
    t.mock.timers.tick(2_000);
  }
  await new Promise(setImmediate);
}

const part = (texts, pending) => ({ texts, translated: Object.keys(texts).length, total: 2, pending });

test("what is translated later is told, until nothing is pending", async (t) => {
  const whole = { cancel: "रद्द करें", close: "बंद करें" };
  const asked = answering(t, part({}, true), part({}, true), { status: 503 }, part({ cancel: "रद्द करें" }, true), part(whole, false));
  const told = [];
  assert.deepEqual(await followCatalogue("hi", "common", () => true, (texts) => told.push(texts)), {});
  await until(t, asked, 5);
  assert.equal(asked[0], "/api/v1/translation/catalogue?name=common&language=hi");
  assert.deepEqual(told, [{ cancel: "रद्द करें" }, whole]);
  t.mock.timers.tick(60_000);
  await new Promise(setImmediate);
  assert.equal(asked.length, 5);
});

test("a language that is left is not followed, and a refusal is a failure", async (t) => {
  const asked = answering(t, part({}, true), { status: 401 });
  let isWanted = true;
  await followCatalogue("hi", "common", () => isWanted, assert.fail);
  await until(t, asked, 2);
  isWanted = false;
  const before = asked.length;
  t.mock.timers.tick(2_000);
  await new Promise(setImmediate);
  t.mock.timers.tick(60_000);
  await new Promise(setImmediate);
  assert.ok(asked.length <= before + 1);
  await assert.rejects(followCatalogue("hi", "common", () => true, assert.fail), /no catalogue common in hi/);
});
