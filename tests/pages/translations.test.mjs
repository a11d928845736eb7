// Messages in other languages: asked for until they are there, once each, shown in the language that was wanted last.

import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./modules.mjs";
import { addAllTexts } from "./texts.mjs";

const { Problem, call: realCall } = await load("lib/api.js");
const { byOwnName } = await load("lib/languages.js");
const { newTranslations } = await load("chat/translation/translations.js");
const { keepPreferred, preferredLanguage } = await load("chat/translation/start.js");
await addAllTexts("en");

/** Lets everything run that waits for nothing but promises. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

const LANGUAGES = [
  { code: "en", own_name: "English", direction: "ltr" },
  { code: "he", own_name: "עברית", direction: "rtl" },
  { code: "uk", own_name: "Українська", direction: "ltr" },
];

/** Translations from a server that gives these answers, one after the other. */
function scene(...answers) {
  const calls = [];
  const waits = [];
  const changes = [];
  const preferred = ["en"];
  const call = async (method, path, { body }) => {
    calls.push(`${method} ${path} ${body.role} ${body.language}`);
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return typeof answer === "string" ? { ...body, text: answer, provider: "scripted" } : answer;
  };
  const translations = newTranslations({
    call, languages: () => LANGUAGES, preferred: () => preferred.at(-1), prefer: (code) => preferred.push(code),
    onChange: (id) => changes.push(id), wait: async (ms) => waits.push(ms),
  });
  return { translations, calls, waits, changes, preferred, reply: () => translations.of("r", "assistant") };
}

test("a translation is shown as it is asked for, made and closed", async () => {
  const { translations, calls, changes, reply } = scene("The sea");
  translations.toggle("r", "assistant");
  assert.deepEqual(reply(), { language: "en", direction: "ltr", status: "working" });
  await turn();
  const done = { language: "en", direction: "ltr", status: "done", text: "The sea", provider: "scripted" };
  assert.deepEqual(reply(), done);
  assert.equal(translations.of("r", "user"), null, "the question is another message");
  translations.toggle("r", "assistant");
  assert.equal(reply(), null);
  assert.deepEqual(calls, ["POST /requests/r/translations?wait=20 assistant en"]);
  assert.deepEqual(changes, ["r", "r", "r"]);
});

test("what is there is not asked for again in this view of the page", async () => {
  const { translations, calls, reply } = scene("The sea", "הים");
  await translations.toggle("r", "assistant");
  await translations.choose("r", "assistant", "he");
  assert.deepEqual([reply().direction, reply().text], ["rtl", "הים"]);
  await translations.choose("r", "assistant", "en");
  assert.equal(reply().text, "The sea");
  translations.hide("r", "assistant");
  await translations.toggle("r", "assistant");
  assert.equal(reply().text, "The sea");
  assert.equal(calls.length, 2);
});

test("what is not there yet is asked for again, and not for ever", async () => {
  const late = scene(null, null, "The sea");
  await late.translations.toggle("r", "assistant");
  assert.equal(late.reply().text, "The sea");
  assert.deepEqual(late.waits, [1_000, 1_000]);
  const never = scene(...Array(40).fill(null));
  await never.translations.toggle("r", "assistant");
  assert.deepEqual([never.reply().status, never.reply().why], ["failed", "The server took too long to answer."]);
  assert.ok(never.calls.length < 20);
});

test("a failure says why, and can be tried again", async () => {
  const detail = "nothing could translate this message";
  const refused = new Problem({ status: 503, code: "translation_unavailable", detail });
  const { translations, calls, reply } = scene(refused, "The sea");
  await translations.toggle("r", "assistant");
  assert.deepEqual([reply().status, reply().why], ["failed", "Nothing could translate this message."]);
  translations.retry("r", "assistant");
  assert.equal(reply().status, "working");
  await turn();
  assert.equal(reply().text, "The sea");
  assert.equal(calls.length, 2);
});

test("another language that is chosen meanwhile is the one that is shown, and kept as the choice", async () => {
  const { translations, preferred, reply } = scene("The sea", "Море");
  translations.toggle("r", "assistant");
  translations.choose("r", "assistant", "uk");
  await turn();
  assert.deepEqual([reply().language, reply().text], ["uk", "Море"]);
  assert.equal(preferred.at(-1), "uk");
});

test("what comes after it was closed stays closed, and is there when it is opened", async () => {
  const { translations, calls, reply } = scene("The sea");
  translations.toggle("r", "assistant");
  translations.hide("r", "assistant");
  await turn();
  assert.equal(reply(), null);
  await translations.toggle("r", "assistant");
  assert.equal(reply().text, "The sea");
  assert.equal(calls.length, 1);
});

test("the language that was chosen last is each user's own; without one it is that of the page", () => {
  const kept = new Map();
  const storage = { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value) };
  assert.equal(preferredLanguage(storage, "grace", LANGUAGES), "en");
  keepPreferred(storage, "grace", "he");
  keepPreferred(storage, "ada", "uk");
  const preferred = ["grace", "ada", "else"].map((user) => preferredLanguage(storage, user, LANGUAGES));
  assert.deepEqual(preferred, ["he", "uk", "en"]);
  assert.equal(preferredLanguage(storage, "grace", LANGUAGES.slice(0, 1)), "en", "it is not listed any more");
  kept.set("troupe.translation", "{");
  assert.equal(preferredLanguage(storage, "grace", LANGUAGES), "en");
});

test("languages stand by what each is called in itself", () => {
  const languages = ["Українська", "Čeština", "Zulu", "Deutsch", "עברית"].map((own_name) => ({ own_name }));
  const sorted = byOwnName(languages).map(({ own_name }) => own_name);
  assert.deepEqual(sorted, ["Čeština", "Deutsch", "Zulu", "Українська", "עברית"]);
});

test("an answer that accepts, and says nothing yet, is no failure", async (context) => {
  context.mock.method(globalThis, "fetch", async () => new Response("", { status: 202 }));
  assert.equal(await realCall("POST", "/requests/r/translations", { body: {} }), null);
});
