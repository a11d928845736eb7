// Somebody who listens: to one reply, or to all of them as they are written, and interrupts. And somebody who dictates.

import assert from "node:assert/strict";

import { Chat, PHONE, eventually, journey, violations } from "./src/harness.mjs";

const listen = (row) => row.getByRole("button", { name: "Listen" });
const silence = (row) => row.getByRole("button", { name: "Stop the voice" });

/** What is marked as being spoken. */
const marked = (page) => page.evaluate(() => [...(CSS.highlights.get("spoken") ?? [])].map(String).join());
const isMarked = (page, text) => eventually(`“${text}” is being spoken`, async () => assert.equal(await marked(page), text));

/** Notes when sounds begin and end, by the clock of Web Audio. */
const noteSounds = (page) => page.evaluate(() => {
  globalThis.sounds = [];
  const { start } = AudioBufferSourceNode.prototype;
  AudioBufferSourceNode.prototype.start = function begin(at) {
    globalThis.sounds.push({ at, ends: at + this.buffer.duration });
    return start.call(this, at);
  };
});

async function speakReplies(chat) {
  await chat.page.getByRole("button", { name: /^Voice/ }).click();
  await chat.page.getByLabel("Speak replies").check();
  await chat.page.keyboard.press("Escape");
}

async function conversation(scene) {
  const user = await scene.stack.register();
  const { id } = await user.converse("Aloud");
  const chat = await scene.open(user, `#/c/${id}`);
  await chat.live();
  await chat.page.getByRole("button", { name: /^Voice/ }).waitFor();
  return { user, id, chat };
}

journey("a reply is listened to, sentence after sentence without gaps, and marked as it is spoken", async (scene) => {
  scene.provider.on("sea", "The *sea* is calm. It is blue. It will stay so.");
  const { chat } = await conversation(scene);
  await chat.ask("sea", "It will stay so.");
  await noteSounds(chat.page);
  // Time enough for the next to be there on a busy machine.
  scene.provider.secondsASentence = 2;
  await listen(chat.lastReply()).click();
  await silence(chat.lastReply()).waitFor();
  await isMarked(chat.page, "It will stay so.");
  const sounds = await chat.page.evaluate(() => globalThis.sounds);
  assert.equal(sounds.length, 3);
  for (const [number, { at }] of sounds.slice(1).entries()) assert.ok(Math.abs(at - sounds[number].ends) < 1e-6, JSON.stringify(sounds));
  await listen(chat.lastReply()).waitFor();
  assert.equal(await marked(chat.page), "");
});

journey("replies are spoken while they are written, and writing interrupts them", async (scene) => {
  const gate = scene.provider.gate("tell", ["One is heard. ", "Two is not. ", "Three is never said."]);
  const { chat } = await conversation(scene);
  await speakReplies(chat);
  scene.provider.secondsASentence = 3;
  await chat.send("tell");
  // All of the text, but not its end: a sentence is one as soon as something follows it.
  gate.pass(3);
  await isMarked(chat.page, "One is heard.");
  assert.deepEqual(await violations(chat.page), []);
  await isMarked(chat.page, "Two is not.");
  gate.open();
  await chat.replied("Three is never said.");
  const told = chat.page.waitForResponse((response) => response.url().endsWith("/heard"));
  await chat.composer.pressSequentially("and");
  assert.equal((await told).status(), 204);
  await listen(chat.lastReply()).waitFor();
  assert.equal(await marked(chat.page), "");
  await chat.ask("and now");
  const { body } = scene.provider.calls.findLast(({ question }) => question === "and now");
  assert.ok(JSON.stringify(body.messages).includes("One is heard."));
  assert.ok(!JSON.stringify(body.messages).includes("Three is never said."), "the prompt holds only what was heard");
});

journey("a persona speaks with the voice that was chosen for it", async (scene) => {
  const user = await scene.stack.register();
  const persona = await user.call("POST", "/personas", { name: "Ida", slug: `ida-${Date.now()}`, system_prompt: "You are Ida.", languages: ["en"] });
  const chat = await scene.open(user, `#/studio/${persona.slug}/settings`);
  const choice = chat.page.getByRole("combobox", { name: "Voice" });
  await choice.selectOption("openai/coral");
  await chat.page.getByRole("button", { name: "Save", exact: true }).click();
  await eventually("the voice is kept", async () => assert.equal((await user.call("GET", `/personas/${persona.slug}`)).voice, "openai/coral"));
  const { id } = await user.converse("Her voice", persona.slug);
  await chat.page.goto(`/#/c/${id}`);
  await chat.ask("hello");
  await listen(chat.lastReply()).click();
  await eventually("it is spoken", () => assert.equal(scene.provider.spoken.at(-1)?.voice, "coral"));
});

/** In place of the browser's own recognition, which asks a service on the internet: it hears what `hear` says. */
const FAKE_RECOGNITION = () => {
  globalThis.recognitions = [];
  globalThis.SpeechRecognition = class {
    isRecording = false;

    start() {
      this.isRecording = true;
      globalThis.recognitions.push(this);
      queueMicrotask(() => this.onstart());
    }

    /** What was said last is understood only then. */
    stop() {
      this.isRecording = false;
      queueMicrotask(() => {
        if (this.last) this.onresult({ results: [[{ transcript: this.last }]] });
        this.onend();
      });
    }

    abort() {
      this.isRecording = false;
    }
  };
};

/** What is understood so far, and what the last of it will be in the end. */
const hear = (page, transcripts, last) => page.evaluate(([said, atLast]) => {
  const recognition = globalThis.recognitions.at(-1);
  recognition.last = atLast;
  recognition.onresult({ results: said.map((transcript) => [{ transcript }]) });
}, [transcripts, last]);

const failWith = (page, error) => page.evaluate((code) => {
  const recognition = globalThis.recognitions.at(-1);
  recognition.onerror({ error: code });
  recognition.onend();
}, error);

/** Of each time that it was begun: the language, and whether it records still. */
const recognitions = (page) => page.evaluate(() => globalThis.recognitions.map(({ lang, isRecording }) => [lang, isRecording]));

const microphone = (chat, pressed) => chat.page.getByRole("button", { name: "Dictate", exact: true, pressed });
const written = (chat, text) => eventually(`“${text}” is written`, async () => assert.equal(await chat.composer.inputValue(), text));

async function dictation(scene, { language, ...options } = {}) {
  const user = await scene.stack.register();
  const { id } = await user.call("POST", "/conversations", { persona: "demo", title: "Dictated", language });
  const device = await scene.device({ user, ...options });
  await device.context.addInitScript(FAKE_RECOGNITION);
  const chat = new Chat(await device.visit(`#/c/${id}`), device);
  await chat.live();
  return chat;
}

async function dictate(chat) {
  await microphone(chat, false).click();
  await chat.page.getByRole("status").getByText(/^Listening/).waitFor();
}

journey("a message is dictated among what is typed, and sent only when that is wanted", async (scene) => {
  const chat = await dictation(scene, { language: "uk" });
  await chat.composer.fill("Dear Ada, yours, Grace");
  await chat.composer.evaluate((input) => input.setSelectionRange(9, 9));
  await dictate(chat);
  await chat.page.getByRole("status").getByText("Listening · Ukrainian").waitFor();
  assert.deepEqual(await recognitions(chat.page), [["uk-UA", true]]);
  assert.deepEqual(await violations(chat.page), []);
  await hear(chat.page, ["how old"]);
  await written(chat, "Dear Ada, how old yours, Grace");
  await hear(chat.page, ["how are you?", " I"], "How are you?");
  await written(chat, "Dear Ada, how are you? I yours, Grace");
  await microphone(chat, true).click();
  await microphone(chat, false).waitFor();
  await written(chat, "Dear Ada, How are you? yours, Grace");
  assert.equal(await chat.page.getByText(/^Listening/).count(), 0);
  await dictate(chat);
  await hear(chat.page, ["I am well."]);
  await chat.page.keyboard.press("Escape");
  await microphone(chat, false).waitFor();
  await written(chat, "Dear Ada, How are you? I am well. yours, Grace");
  assert.equal(await chat.questions().count(), 0, "nothing is sent by itself");
  await chat.page.reload();
  await written(chat, "Dear Ada, How are you? I am well. yours, Grace");
  await dictate(chat);
  await hear(chat.page, ["Hopper"]);
  await chat.composer.press("Enter");
  await chat.replied("You said: Dear Ada, How are you? I am well. yours, Grace Hopper");
  await hear(chat.page, ["Hopper again"]);
  await written(chat, "");
  await microphone(chat, false).waitFor();
  assert.deepEqual((await recognitions(chat.page)).map(([, isRecording]) => isRecording), [false]);
});

journey("typing stops the microphone, and the microphone stops the voice", async (scene) => {
  const chat = await dictation(scene);
  await chat.page.getByRole("button", { name: /^Voice/ }).waitFor();
  scene.provider.secondsASentence = 20;
  await chat.ask("sea");
  await listen(chat.lastReply()).click();
  await isMarked(chat.page, "You said: sea");
  await dictate(chat);
  await listen(chat.lastReply()).waitFor();
  assert.equal(await marked(chat.page), "");
  await hear(chat.page, ["one"]);
  await written(chat, "one");
  await chat.composer.pressSequentially(", two");
  await microphone(chat, false).waitFor();
  await hear(chat.page, ["one and a half"]);
  await written(chat, "one, two");
  await dictate(chat);
  await listen(chat.lastReply()).click();
  await microphone(chat, false).waitFor();
  await isMarked(chat.page, "You said: sea");
  assert.deepEqual(await recognitions(chat.page), [["en-GB", false], ["en-GB", false]]);
});

journey("why nothing is dictated is told, and what is written stays", async (scene) => {
  const chat = await dictation(scene, PHONE);
  await chat.composer.fill("as it was");
  const reasons = {
    "not-allowed": "The microphone is not allowed.", "no-speech": "Nothing was heard.", network: "cannot be reached.",
    "audio-capture": "No microphone was found.", "language-not-supported": "this language: English.",
  };
  for (const [error, text] of Object.entries(reasons)) {
    await dictate(chat);
    await failWith(chat.page, error);
    await chat.page.getByRole("alert").getByText(text).waitFor();
    await microphone(chat, false).waitFor();
  }
  assert.equal(await chat.composer.inputValue(), "as it was");
  assert.deepEqual(await violations(chat.page), []);
  const { width, height } = await microphone(chat, false).boundingBox();
  assert.ok(width >= 44 && height >= 44, `${width} × ${height}`);
});

journey("where the browser recognises no speech, there is no microphone", async (scene) => {
  const user = await scene.stack.register();
  const { id } = await user.converse("Without");
  const device = await scene.device({ user });
  await device.context.addInitScript(() => {
    delete globalThis.SpeechRecognition;
    delete globalThis.webkitSpeechRecognition;
  });
  const chat = new Chat(await device.visit(`#/c/${id}`), device);
  await chat.live();
  assert.equal(await microphone(chat).count(), 0);
});
