// Speech that becomes text: among what is written, changed as it is understood, and never where somebody else has written.

import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./modules.mjs";
import { addAllTexts } from "./texts.mjs";

const { newDictation } = await load("chat/dictation/dictation.js");
const { inserted, joined } = await load("chat/dictation/insert.js");
const { recognitionTag } = await load("chat/dictation/start.js");
await addAllTexts("en");

/** A recognition that hears what a test says. */
function fakeRecognition(calls) {
  return {
    start: () => calls.push("start"), stop: () => calls.push("stop"), abort: () => calls.push("abort"),
    /** All that was understood so far, the last of which may change. */
    hear(...transcripts) {
      this.onresult({ results: transcripts.map((transcript) => [{ transcript }]) });
    },
    fail(error) {
      this.onerror({ error });
      this.onend();
    },
  };
}

/** A dictation into a composer with this text, whose caret is at the bar. */
function scene(written = "|") {
  const calls = [];
  const made = [];
  const states = [];
  const failures = [];
  const field = { text: written.replace("|", ""), caret: written.indexOf("|") };
  const dictation = newDictation({
    newRecognition: () => made[made.push(fakeRecognition(calls)) - 1],
    composer: { written: () => ({ ...field }), write: (text, caret) => Object.assign(field, { text, caret }) },
    onStatus: (status) => states.push(status), onFailure: (why) => failures.push(why),
  });
  const shown = () => `${field.text.slice(0, field.caret)}|${field.text.slice(field.caret)}`;
  const listen = () => {
    dictation.toggle("en-GB");
    made.at(-1).onstart();
    return made.at(-1);
  };
  return { dictation, calls, states, failures, field, shown, listen, recognition: () => made.at(-1) };
}

test("what is understood stands at the caret, and changes until it is final", () => {
  const { shown, listen, states, calls } = scene("Dear Ada,|Grace");
  const recognition = listen();
  assert.deepEqual([recognition.lang, recognition.interimResults], ["en-GB", true]);
  recognition.hear("how old");
  assert.equal(shown(), "Dear Ada, how old| Grace");
  recognition.hear("how are you");
  assert.equal(shown(), "Dear Ada, how are you| Grace");
  recognition.hear("how are you", " today");
  assert.equal(shown(), "Dear Ada, how are you today| Grace");
  recognition.hear("how are you");
  assert.equal(shown(), "Dear Ada, how are you| Grace");
  recognition.hear();
  assert.equal(shown(), "Dear Ada,|Grace");
  assert.deepEqual([states, calls], [["starting", "listening"], ["start"]]);
});

test("pressed again, nothing is recorded any more, and what was said is understood to its end", () => {
  const { dictation, shown, listen, states, calls, failures } = scene();
  const recognition = listen();
  recognition.hear("the see");
  dictation.toggle("en-GB");
  assert.deepEqual([dictation.isOn(), states.at(-1), calls.at(-1)], [false, "finishing", "stop"]);
  recognition.hear("the sea");
  recognition.onend();
  assert.deepEqual([shown(), states.at(-1), failures], ["the sea|", "off", []]);
});

test("a second time goes on behind the first", () => {
  const { dictation, shown, listen, calls } = scene();
  const first = listen();
  first.hear("one");
  dictation.stop();
  listen().hear("two");
  first.hear("one more");
  assert.equal(shown(), "one two|");
  assert.deepEqual(calls, ["start", "stop", "abort", "start"]);
});

test("dropped, what comes late is not written, and what is written stays", () => {
  const { dictation, shown, listen, states, calls, failures } = scene();
  const recognition = listen();
  recognition.hear("half of");
  dictation.drop();
  recognition.hear("half of it");
  recognition.fail("aborted");
  assert.deepEqual([shown(), states.at(-1), calls.at(-1), failures], ["half of|", "off", "abort", []]);
});

test("where somebody else has written meanwhile, it stops", () => {
  const { dictation, field, listen, calls } = scene();
  const recognition = listen();
  recognition.hear("one");
  field.text = "one, typed";
  recognition.hear("one two");
  assert.deepEqual([field.text, dictation.isOn(), calls.at(-1)], ["one, typed", false, "abort"]);
});

test("pressed again before the microphone was allowed, it is not waited for", () => {
  const { dictation, calls, states, failures } = scene();
  dictation.toggle("en");
  dictation.toggle("en");
  assert.deepEqual([calls, states, failures], [["start", "abort"], ["starting", "off"], []]);
});

test("each failure has its reason, once", () => {
  const reasons = {
    "not-allowed": "refused", "audio-capture": "no_microphone", network: "network", "no-speech": "silence",
    "language-not-supported": "language", "service-not-allowed": "unavailable", "bad-grammar": "unavailable",
  };
  for (const [error, why] of Object.entries(reasons)) {
    const { dictation, listen, failures, states } = scene("as it |was");
    listen().fail(error);
    assert.deepEqual([failures, states.at(-1), dictation.isOn()], [[why], "off", false], error);
  }
});

test("silence is told where nothing at all was heard, and not after a stop", () => {
  const heard = scene();
  const recognition = heard.listen();
  recognition.hear("one");
  recognition.fail("no-speech");
  assert.deepEqual([heard.failures, heard.shown()], [[], "one|"]);
  const silent = scene();
  silent.listen().onend();
  assert.deepEqual(silent.failures, ["silence"]);
  const stopped = scene();
  stopped.listen();
  stopped.dictation.stop();
  stopped.recognition().fail("no-speech");
  assert.deepEqual(stopped.failures, []);
});

test("a browser that cannot begin says so, and keeps what is written", () => {
  const { dictation, shown, failures, recognition } = scene("as it was|");
  dictation.toggle("en");
  recognition().onend();
  assert.deepEqual([failures, shown()], [["unavailable"], "as it was|"]);
  const failing = newDictation({
    newRecognition: () => ({ start: () => { throw new Error("not now"); } }), composer: { written: () => ({ text: "", caret: 0 }) },
    onStatus: () => {}, onFailure: (why) => failures.push(why),
  });
  failing.toggle("en");
  assert.deepEqual([failures.at(-1), failing.isOn()], ["unavailable", false]);
});

test("words are joined as their script has it", () => {
  const pairs = [
    ["one", "two", "one two"], ["one ", "two", "one two"], ["one\n", "two", "one\ntwo"], ["one", ", two", "one, two"], ["(", "one", "(one"],
    ["", "one", "one"], ["one", "", "one"], ["今日は", "いい天気", "今日はいい天気"], ["東京。", "大阪", "東京。大阪"], ["สวัสดี", "ครับ", "สวัสดีครับ"], ["안녕하세요", "여러분", "안녕하세요 여러분"],
    ["مرحبا", "بك", "مرحبا بك"], ["مرحبا", "؟", "مرحبا؟"], ["नमस्ते", "दुनिया", "नमस्ते दुनिया"], ["😀", "one", "😀 one"],
  ];
  for (const [one, other, both] of pairs) assert.equal(joined(one, other), both);
  assert.deepEqual(inserted("a", "", "b"), { text: "ab", caret: 1 });
});

test("a language is recognised as the browser's own variant of it has it, or as most who speak it do", () => {
  const of = (tag, ...preferred) => recognitionTag(tag, preferred);
  assert.equal(of("en", "de-AT", "en", "en-GB", "en-US"), "en-GB");
  assert.equal(of("de", "en-GB"), "de-DE");
  assert.equal(of("pt-BR", "pt-PT"), "pt-BR");
  assert.equal(of("uk"), "uk-UA");
  assert.equal(of("zh-Hant", "zh-CN", "zh-HK"), "zh-HK");
  assert.equal(of("zh-Hant", "zh-CN"), "zh-TW");
  assert.equal(of("sr-Latn"), "sr-RS");
});
