// The studio: what it makes of names, texts and answers, without a page.

import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./modules.mjs";
import { addAllTexts } from "./texts.mjs";

const { suggestSlug } = await load("studio/slug.js");
const { estimateTokens } = await load("studio/tokens.js");
const { diffWords } = await load("studio/word_diff.js");
const { newAnswerSync } = await load("studio/answer_sync.js");
const { faultsOf } = await load("studio/faults.js");
const { changesOf, languageTag, temperatureWord, valuesOf, voiceOptions } = await load("studio/form.js");
const { formatOf, rowFaults } = await load("studio/exchange.js");
const { groupsOf } = await load("studio/inspector.js");
const { aboutOf } = await load("chat/lore.js");
const { idsOf, neverComes, newEntry, settingsOf, withSettings } = await load("studio/lore_entry.js");
const { textAfter } = await load("studio/trial.js");
const { titleOfFile } = await load("studio/knowledge.js");
const { Problem } = await load("lib/api.js");
const { placeAt } = await load("routes.js");
await addAllTexts("en");

test("an address is suggested from a name in any script, and from none that cannot be read", () => {
  assert.equal(suggestSlug("Großmutter Øse"), "grossmutter-ose");
  assert.equal(suggestSlug("  Zoë d’Étoile "), "zoe-detoile");
  assert.equal(suggestSlug("Бабушка Щука"), "babushka-shchuka");
  assert.equal(suggestSlug("Γιαγιά Ελένη"), "giagia-eleni");
  assert.match(suggestSlug("جدتي نور"), /^[a-z]+-[a-z]+$/);
  assert.equal(suggestSlug("祖母"), "");
  assert.equal(suggestSlug("X"), "");
  assert.ok(suggestSlug("a".repeat(99)).length <= 63);
});

test("tokens are estimated as the worker does", () => {
  assert.equal(estimateTokens(""), 0);
  assert.equal(estimateTokens("abcd".repeat(10)), 14);
  assert.equal(estimateTokens("海".repeat(30)), 24);
});

test("two texts are compared word by word", () => {
  const pieces = diffWords("She likes red wine.", "She likes white wine, too.");
  assert.deepEqual(pieces.filter(({ kind }) => kind !== "same"), [
    { kind: "out", text: "red" }, { kind: "in", text: "white" }, { kind: "in", text: ", too" },
  ]);
  const whole = (wanted) => pieces.filter(({ kind }) => kind === "same" || kind === wanted).map(({ text }) => text).join("");
  assert.equal(whole("out"), "She likes red wine.");
  assert.equal(whole("in"), "She likes white wine, too.");
  assert.deepEqual(diffWords("same", "same"), [{ kind: "same", text: "same" }]);
  assert.deepEqual(diffWords("", "new"), [{ kind: "in", text: "new" }]);
});

test("texts that are too long to compare by words are compared by lines", () => {
  const lines = (word) => Array.from({ length: 900 }, (_, at) => `${word} ${at}\n`).join("");
  const pieces = diffWords(`${lines("a")}the middle\n${lines("b")}`, `${lines("c")}the middle\n${lines("d")}`);
  assert.ok(pieces.some(({ kind, text }) => kind === "same" && text.includes("the middle")));
});

test("only what has changed is sent", () => {
  const before = valuesOf({ name: "Ada", slug: "ada", languages: ["en"], chain: null, temperature: 0.7 });
  assert.deepEqual(before.chain, []);
  assert.deepEqual(changesOf(before, { ...before, languages: ["en", "de"], temperature: 0.7 }), { languages: ["en", "de"] });
});

test("languages are typed as tags or by their names, and temperatures have words", () => {
  assert.equal(languageTag("PT-br"), "pt-BR");
  assert.equal(languageTag("German"), "de");
  assert.equal(languageTag("deutsch"), "de");
  assert.equal(languageTag("no such tongue"), "no such tongue");
  assert.deepEqual([0, 0.7, 2].map(temperatureWord), ["exact", "natural", "wild"]);
});

test("faults stand beside their field, with the place in a list; a taken address is one", () => {
  const errors = [{ field: "chain[1]", message: "'nobody/x': there is no provider 'nobody'" }, { field: "elsewhere", message: "must not be empty" }];
  const { beside, below } = faultsOf({ message: "…", errors }, ["chain", "name"]);
  assert.deepEqual([...beside.get("chain").places], [1]);
  assert.match(beside.get("chain").texts[0], /no provider “nobody”/);
  assert.equal(below, "Must not be empty.");
  const taken = faultsOf({ code: "slug_taken", message: "There is a persona 'ada' already.", errors: [] }, ["slug"]);
  assert.match(taken.beside.get("slug").texts[0], /taken/);
  assert.equal(taken.below, "");
});

test("a report and a refusal of an import tell the same of a row", () => {
  assert.equal(formatOf("Answers.CSV"), "csv");
  assert.equal(formatOf("a.ndjson"), "jsonl");
  assert.equal(formatOf("a.docx"), undefined);
  const refused = [{ row: 117, column: "content", reason: "must not be empty" }];
  const errors = [{ field: "row 117, content", message: "must not be empty" }];
  assert.deepEqual(rowFaults({ refused }), rowFaults({ errors }));
  assert.deepEqual(rowFaults({ errors: [{ field: "body", message: "is not UTF-8" }] }), [{ row: null, line: null, column: "body", reason: "is not UTF-8" }]);
});

test("a reply of the trial is what its events make of it", () => {
  const events = [
    { type: "request.started" }, { type: "reply.delta", text: "Hello 🌊" }, { type: "reply.reset", keep: 7 }, { type: "reply.delta", text: "!" },
  ];
  assert.equal(events.reduce(textAfter, ""), "Hello 🌊!");
  assert.equal(textAfter("so far", { type: "reply.completed", message: { content: "all of it" } }), "all of it");
  assert.equal(textAfter("so far", { type: "request.cancelled", message: null }), "so far");
});

test("sections of a prompt are grouped where neighbours are of one kind, and stay in their order", () => {
  const sections = ["persona", "passage", "passage", "history", "question", "history"].map((kind, at) => ({ kind, tokens: at }));
  assert.deepEqual(groupsOf(sections).map(({ kind, tokens, sections: own }) => [kind, tokens, own.length]),
    [["persona", 0, 1], ["passage", 3, 2], ["history", 3, 1], ["question", 4, 1], ["history", 5, 1]]);
});

test("a receipt of lore says which key was found where, and of what was used where it stands", () => {
  const place = { at: "depth", depth: 4, role: "system" };
  assert.deepEqual(aboutOf({ used: true, key: "flood", message: 0, place, tokens: 22 }), ["“flood”", "in the question", "before the last 4 messages", "about 22 tokens"]);
  assert.deepEqual(aboutOf({ used: true, key: "mill", entry: "7", place: { at: "depth", depth: 0 } }), ["“mill”", "in the entry 7", "at the very end"]);
  assert.deepEqual(aboutOf({ used: false, key: "oven", message: 2, place, tokens: 9 }), ["“oven”", "2 messages before"]);
  assert.deepEqual(aboutOf({ used: false, reason: "no_key" }), []);
});

// ── Lorebooks

const ENTRY = { id: 4, keys: ["flood"], content: "It came in 1961.", enabled: true, insertion_order: 100, extensions: { weird: { deep: [1] } }, unknown: "stays" };
const edited = (entry, changes) => withSettings(entry, { ...settingsOf(entry), ...changes });

test("an entry of a lorebook that is not changed is as it came, and only what is changed is written", () => {
  assert.deepEqual(edited(ENTRY, {}), ENTRY);
  assert.deepEqual(edited(ENTRY, { keys: ["flood", "1961"], sticky: 3 }), { ...ENTRY, keys: ["flood", "1961"], extensions: { weird: { deep: [1] }, sticky: 3 } });
  assert.deepEqual(edited(ENTRY, { name: "The flood", order: 7, constant: true, enabled: false }), { ...ENTRY, name: "The flood", insertion_order: 7, constant: true, enabled: false });
  assert.deepEqual(ENTRY.extensions, { weird: { deep: [1] } }, "what came is not changed itself");
});

test("an entry's name is kept where it has it: in its name, or in the comment of SillyTavern", () => {
  assert.equal(settingsOf({ name: "", comment: "Mill" }).name, "Mill");
  assert.deepEqual(edited({ comment: "Mill" }, { name: "The mill" }), { comment: "The mill" });
  assert.deepEqual(edited({ name: "Mill", comment: "old" }, { name: "The mill" }), { name: "The mill", comment: "old" });
  assert.deepEqual(edited({ name: "Mill", comment: "old" }, { name: "" }), { name: "", comment: "" });
});

test("where an entry stands is read and written as prompts understand it", () => {
  const placeOf = (entry) => [settingsOf(entry).place, settingsOf(entry).depth];
  assert.deepEqual(placeOf({ position: "after_char" }), ["after_persona", 4]);
  assert.deepEqual(placeOf({ position: "after_char", extensions: { position: 4, depth: 2 } }), ["depth", 2]);
  assert.deepEqual(placeOf({ extensions: { position: 2, depth: 9 } }), ["depth", 4], "the notes of an author have no depth of their own");
  assert.deepEqual(placeOf({ extensions: { position: 7 } }), ["none", 4]);
  assert.deepEqual(edited(ENTRY, { place: "after_persona" }), { ...ENTRY, position: "after_char" });
  assert.deepEqual(edited({ extensions: { position: 4, depth: 2 } }, { place: "before_persona" }), { position: "before_char", extensions: { position: 0, depth: 2 } });
  assert.deepEqual(edited({}, { place: "depth", depth: 0 }), { position: "after_char", extensions: { position: 4, depth: 0 } });
  assert.deepEqual(edited({}, { place: "after_examples" }), { position: "after_char", extensions: { position: 6 } });
});

test("secondary keys count once they are selective, and their logic is written only where it is another", () => {
  assert.equal(settingsOf({ secondary_keys: ["post"] }).logic, "off");
  assert.equal(settingsOf({ secondary_keys: ["post"], selective: true, extensions: { selectiveLogic: 3 } }).logic, "and_all");
  assert.deepEqual(edited({}, { secondary_keys: ["post"] }), { secondary_keys: ["post"], selective: true });
  assert.deepEqual(edited({ secondary_keys: ["post"], selective: true }, { logic: "not_any" }), { secondary_keys: ["post"], selective: true, extensions: { selectiveLogic: 2 } });
  assert.deepEqual(edited({ secondary_keys: ["post"], selective: true }, { logic: "off" }), { secondary_keys: ["post"], selective: false });
});

test("numbers of an entry are read as they are meant, also where they are texts or out of bounds", () => {
  const read = (extensions) => settingsOf({ insertion_order: "7.9", extensions });
  assert.deepEqual([read({ probability: "50" }).probability, read({ probability: 300 }).probability, read({ probability: 50, useProbability: false }).probability], [50, 100, 100]);
  assert.deepEqual([read({ sticky: -1 }).sticky, read({ sticky: null }).sticky, read([]).cooldown, read({}).order], [0, 0, 0, 7]);
  assert.deepEqual(edited({ extensions: { probability: 50, useProbability: false } }, { probability: 20 }), { extensions: { probability: 20, useProbability: true } });
});

test("entries have the ids that reports have, and a new one has another", () => {
  assert.deepEqual(idsOf([{ id: 1 }, { id: "1" }, {}, { id: "" }, { id: null }, { id: "x".repeat(65) }]), ["1", "#1", "#2", "#3", "#4", "#5"]);
  assert.equal(newEntry([{ id: 3 }, { id: "9" }, { id: "text" }]).id, 10);
  assert.ok(neverComes(settingsOf(newEntry([]))) && !neverComes(settingsOf(ENTRY)) && !neverComes(settingsOf({ ...ENTRY, keys: [], content: "@@activate\nx" })));
});

test("a document is called after its file, and the studio has addresses", () => {
  assert.equal(titleOfFile("letters_from-the_lighthouse.final.pdf"), "letters from the lighthouse.final");
  assert.deepEqual(placeAt("#/studio"), { name: "studio" });
  assert.deepEqual(placeAt("#/studio/new"), { name: "studio", of: "new" });
  assert.deepEqual(placeAt("#/studio/ada/interview"), { name: "studio", of: "ada", part: "interview" });
  assert.deepEqual(placeAt("#/studio/../x"), { name: "studio" });
});

// ── Answers that save themselves

const stale = () => new Problem({ status: 412, code: "outdated", detail: "it is at version 3 now" });

/** An answer with a server that has this, and a clock that is moved by hand. */
function syncing({ answer = null, refuse = () => null, draft = null } = {}) {
  const states = [];
  const writes = [];
  const timers = new Set();
  const server = { answer };
  let keptDraft = draft;
  const api = {
    read: async () => server.answer,
    async write(content, status, version) {
      writes.push({ content, status, version });
      const problem = refuse(writes.length);
      if (problem) throw problem;
      server.answer = { version: (server.answer?.version ?? 0) + 1, content, status, history: server.answer ? [{ ...server.answer }] : [] };
      return server.answer;
    },
  };
  const kept = { get: () => keptDraft, set: (value) => (keptDraft = value), clear: () => (keptDraft = null) };
  const sync = newAnswerSync({
    api, kept, onState: (state) => states.push(state), later: (run) => (timers.add(run), run), cancel: (run) => timers.delete(run), now: () => 1_000,
  });
  const elapse = async () => {
    for (const run of [...timers]) {
      timers.delete(run);
      await run();
    }
  };
  return { sync, states, writes, server, elapse, draft: () => keptDraft, last: () => states.at(-1).name };
}

test("a draft is saved after a pause, once, with what was typed last", async () => {
  const { sync, writes, elapse, last, draft } = syncing();
  sync.begin(null);
  for (const text of ["S", "So", "Soup"]) sync.type(text);
  assert.deepEqual(draft(), { text: "Soup", version: null });
  await elapse();
  assert.deepEqual(writes, [{ content: "Soup", status: "draft", version: undefined }]);
  assert.equal(last(), "saved");
  assert.equal(draft(), null);
  sync.type("Soups");
  await elapse();
  assert.equal(writes[1].version, 1);
});

test("an answer that counts is not turned into a draft by typing", async () => {
  const { sync, writes, elapse, last, draft } = syncing({ answer: { version: 4, content: "Soup", status: "final" } });
  sync.begin({ version: 4, content: "Soup", status: "final" });
  sync.type("Bread");
  await elapse();
  assert.deepEqual([writes.length, last(), draft().text], [0, "local", "Bread"]);
  await sync.save();
  assert.deepEqual(writes, [{ content: "Bread", status: "final", version: 4 }]);
});

test("what was changed elsewhere is not written over: both texts are there to choose from", async () => {
  const { sync, writes, server, elapse, states, last } = syncing({ answer: { version: 2, content: "Soup", status: "draft" }, refuse: (call) => (call === 1 ? stale() : null) });
  sync.begin({ version: 2, content: "Soup", status: "draft" });
  server.answer = { version: 3, content: "Stew", status: "draft", history: [] };
  sync.type("Bread");
  await elapse();
  assert.equal(last(), "conflict");
  assert.equal(states.at(-1).theirs.content, "Stew");
  sync.type("Bread and butter");
  await elapse();
  assert.equal(writes.length, 1, "nothing is sent before the choice");
  await sync.resolve(sync.text());
  assert.deepEqual(writes[1], { content: "Bread and butter", status: "draft", version: 3 });
  assert.equal(last(), "saved");
});

test("a first answer that another tab gave meanwhile is found in the history", async () => {
  const { sync, server, elapse, states, last } = syncing();
  sync.begin(null);
  server.answer = { version: 1, content: "Stew", status: "draft", written_at: new Date(2_000).toISOString() };
  sync.type("Bread");
  await elapse();
  assert.equal(last(), "conflict");
  assert.equal(states.at(-1).theirs.content, "Stew");
});

test("without a network the text stays in the browser, and goes when there is one", async () => {
  const offline = new Problem({ detail: "You are offline." });
  const { sync, writes, elapse, last, draft } = syncing({ refuse: (call) => (call === 1 ? offline : null) });
  sync.begin(null);
  sync.type("Soup");
  await elapse();
  assert.deepEqual([last(), draft().text], ["failed", "Soup"]);
  await elapse();
  assert.deepEqual([last(), writes.length, draft()], ["saved", 2, null]);
});

test("a draft of the browser is taken up again, unless the answer has changed since", async () => {
  const taken = syncing({ draft: { text: "Soup and more", version: 1 } });
  taken.sync.begin({ version: 1, content: "Soup", status: "draft" });
  assert.equal(taken.sync.text(), "Soup and more");
  assert.equal(taken.last(), "waiting");
  const other = syncing({ draft: { text: "Soup and more", version: 1 } });
  other.sync.begin({ version: 2, content: "Stew", status: "draft" });
  assert.equal(other.last(), "conflict");
});

test("voices are offered behind the usual one, and one that is no more stays until another is chosen", () => {
  const voices = { items: [{ id: "local/joe", provider: "local", voice: "joe" }], default: "local/joe" };
  const usual = ["", "The usual voice: joe · local"];
  assert.deepEqual(voiceOptions(voices, ""), [usual, ["local/joe", "joe · local"]]);
  assert.deepEqual(voiceOptions(voices, "far/ann").at(-1), ["far/ann", "far/ann"]);
  assert.deepEqual(voiceOptions({ ...voices, default: "far/ann" }, "")[0], ["", "The usual voice: far/ann"]);
});
