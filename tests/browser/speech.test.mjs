// Somebody who listens: to one reply, or to all of them as they are written, and interrupts.

import assert from "node:assert/strict";

import { eventually, journey, violations } from "./src/harness.mjs";

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
