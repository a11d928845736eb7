// Work that waits for somebody to use the page.

import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./modules.mjs";

const { whenUsed } = await load("lib/tasks.js");

test("what is wanted when the page is used begins with the first gesture, once", async (context) => {
  const page = new EventTarget();
  let runs = 0;
  globalThis.addEventListener = page.addEventListener.bind(page);
  context.after(() => delete globalThis.addEventListener);
  const begun = new Promise((resolve) => whenUsed(() => resolve((runs += 1))));
  page.dispatchEvent(new Event("load"));
  for (const gesture of ["touchstart", "pointerdown", "keydown"]) page.dispatchEvent(new Event(gesture));
  await begun;
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(runs, 1);
});
