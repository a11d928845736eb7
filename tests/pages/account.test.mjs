// The account page: what it makes of what the API says.

import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./modules.mjs";
import { addAllTexts } from "./texts.mjs";

const { deviceOf } = await load("account/devices.js");
const { progressOf } = await load("account/data.js");
const { faultsOf } = await load("account/parts.js");
const { bytesOf } = await load("push/push.js");
await addAllTexts("en");

test("a device is called by its browser and its system, and a program by its own name", () => {
  const mozilla = (rest) => `Mozilla/5.0 (${rest}`;
  assert.equal(deviceOf(mozilla("X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")), "Firefox on Linux");
  assert.equal(deviceOf(mozilla("Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0")), "Edge on Windows");
  assert.equal(deviceOf(mozilla("iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Safari/604.1")), "Safari on iPhone");
  assert.equal(deviceOf(mozilla("Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36")), "Chrome on Android");
  assert.equal(deviceOf("curl/8.5.0"), "curl/8.5.0");
  assert.equal(deviceOf("🌊".repeat(99)), "🌊".repeat(60));
  for (const none of [null, undefined, ""]) assert.equal(deviceOf(none), "A program");
});

test("an export says how far it is, and how it ended", () => {
  const job = { status: "running", step: "conversations", steps: 7, steps_done: 3 };
  assert.equal(progressOf(job), "3 of 7 parts are written…");
  for (const status of ["waiting", "done", "failed"]) assert.notEqual(progressOf({ ...job, status }), progressOf(job));
});

test("what is wrong with a form is said beside its fields, else below it", () => {
  const errors = [{ field: "current_password", message: "is not your password" }, { field: "scopes[0]", message: "is not known" }];
  const { beside, below } = faultsOf({ message: "…", errors }, ["current", "next"]);
  assert.deepEqual([...beside], [["current", "Is not your password."]]);
  assert.equal(below, "Is not known.");
  assert.equal(faultsOf({ message: "You are offline.", errors: [] }, ["next"]).below, "You are offline.");
});

test("the key of the server's notifications is base64url", () => {
  assert.deepEqual([...bytesOf("-_8A")], [251, 255, 0]);
  assert.deepEqual([...bytesOf("BA")], [4]);
});
