// The gate: what is said of a form, and where it leads.

import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./modules.mjs";
import { addAllTexts } from "./texts.mjs";

const { faultsOf, passGate, sendAgain } = await load("gate/passing.js");
await addAllTexts("en");

test("a fault stands at its field, if that is shown, and below the form if not", () => {
  const error = (field, message) => ({ field, message });
  const faults = (problem, fields) => {
    const { named, below } = faultsOf({ message: "Everything at once.", errors: [], ...problem }, fields);
    return [Object.fromEntries(named), below];
  };
  const fields = ["email", "password"];
  assert.deepEqual(faults({}, fields), [{}, "Everything at once."]);
  assert.deepEqual(faults({ errors: [error("password", "must be long")] }, fields), [{ password: "Must be long." }, ""]);
  assert.deepEqual(faults({ errors: [error("name", "must not be empty")] }, fields), [{}, "Must not be empty."]);
  const both = { errors: [error("token", "is not valid any more"), error("password", "must be long")] };
  assert.deepEqual(faults(both, ["password"]), [{ password: "Must be long." }, "This link is not valid any more: ask for another one."]);
});

test("where addresses are verified, the gate leads from joining over the e-mail to signing in", async () => {
  const calls = [];
  const answers = [{ detail: "we sent you an e-mail" }, { detail: "a link is on its way" }, null];
  const places = [];
  Object.assign(globalThis, {
    fetch: async (path, { method, body }) => {
      calls.push([method, path, JSON.parse(body)]);
      const answer = answers.shift();
      return { ok: true, status: answer ? 202 : 204, json: async () => answer };
    },
    history: { replaceState: (_state, _title, place) => places.push(place) },
    location: { pathname: "/" },
  });
  const entered = () => assert.fail("nobody is signed in");
  const person = { name: "Ada", email: "ada@example.com", password: "correct horse" };
  assert.deepEqual(await passGate("join", person, { entered }), ["enter", "We sent you an e-mail with a link that verifies your address, unless it has an account already.", true]);
  assert.deepEqual(await sendAgain(person.email), ["enter", "If there is an account with this address that is not verified yet, a link is on its way.", true]);
  assert.deepEqual(await passGate("verify", {}, { token: "aB3_-x", entered }), ["enter", "Your address is verified. Please sign in."]);
  assert.deepEqual(calls.map(([method, path]) => `${method} ${path}`), [
    "POST /api/v1/auth/register", "POST /api/v1/auth/email-verifications", "PUT /api/v1/auth/email-verifications",
  ]);
  assert.deepEqual([calls[1][2], calls[2][2]], [{ email: "ada@example.com" }, { token: "aB3_-x" }]);
  assert.deepEqual(places, ["/"], "nobody who comes later finds the link in the history");
});
