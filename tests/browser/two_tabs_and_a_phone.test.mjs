// Somebody who chats in two tabs and on a phone: all three show the same.

import assert from "node:assert/strict";

import { Chat, PHONE, eventually, journey } from "./src/harness.mjs";

/** A conversation in two tabs of one browser and on a phone. */
async function threeWindows(scene) {
  const user = await scene.stack.register();
  const conversation = await user.converse("In step");
  const hash = `#/c/${conversation.id}`;
  const first = await scene.open(user, hash);
  const second = new Chat(await first.device.visit(hash), first.device);
  const phone = await scene.open(user, hash, PHONE);
  const windows = [first, second, phone];
  for (const chat of windows) await chat.live();
  return { user, conversation, first, second, phone, windows };
}

const waits = (chat) => chat.queue.getByRole("listitem");
const waiting = (chat, texts) => eventually(`the queue is ${texts}`, async () =>
  assert.deepEqual(await waits(chat).locator(".queue-text").allInnerTexts(), texts));
const button = (chat, text, name) => waits(chat).filter({ hasText: text }).getByRole("button", { name, exact: true });

journey("a reply grows in two tabs and on a phone at once", async (scene) => {
  const { first, second, phone, windows } = await threeWindows(scene);
  const reply = scene.provider.gate("in step?", ["One ", "two ", "three."]);
  await first.send("in step?");
  for (const [number, text] of ["One", "One two", "One two three."].entries()) {
    reply.pass(1);
    for (const chat of windows) await chat.shows(chat.replies(), [text], `chunk ${number + 1}`);
  }
  reply.open();
  for (const chat of windows) await chat.replied("One two three.");
  const phoneReply = scene.provider.gate("and from the phone?", ["Yes, ", "and stopped."]);
  await phone.send("and from the phone?");
  phoneReply.pass(1);
  await second.lastReply().getByText("Yes,").waitFor();
  await second.page.getByRole("button", { name: "Stop the reply" }).click();
  for (const chat of windows) await chat.lastReply().getByText("Stopped.").waitFor();
  phoneReply.open();
});

journey("what waits is edited, moved and taken back from any device", async (scene) => {
  const { user, conversation, first, second, phone, windows } = await threeWindows(scene);
  const running = scene.provider.gate("zero", ["Zero ", "is done."]);
  await first.send("zero");
  running.pass(1);
  await first.lastReply().getByText("Zero").waitFor();
  for (const text of ["one", "two", "three"]) await first.send(text);
  for (const chat of windows) await waiting(chat, ["one", "two", "three"]);

  await button(phone, "two", "Edit").click();
  await phone.queue.getByRole("textbox", { name: "Edit" }).fill("two, edited");
  await phone.queue.getByRole("button", { name: "Save" }).click();
  for (const chat of windows) await waiting(chat, ["one", "two, edited", "three"]);

  await button(second, "three", "Move up").click();
  for (const chat of windows) await waiting(chat, ["one", "three", "two, edited"]);

  await button(first, "one", "Take back").click();
  for (const chat of windows) await waiting(chat, ["three", "two, edited"]);
  assert.equal(await first.composer.inputValue(), "one", "what was taken back is in the field");

  running.open();
  for (const chat of windows) {
    await chat.replied("You said: two, edited");
    await chat.shows(chat.questions(), ["zero", "three", "two, edited"]);
    await chat.queue.waitFor({ state: "hidden" });
  }
  const { items } = await user.call("GET", `/conversations/${conversation.id}/messages`);
  assert.equal(items.length, 6);
});

journey("two windows that edit the same waiting message: the later one is told, and nothing is lost", async (scene) => {
  const { first, phone, windows } = await threeWindows(scene);
  const running = scene.provider.gate("hold on", ["Holding ", "on."]);
  const next = scene.provider.gate("first wording", ["The first ", "wording."]);
  const edited = scene.provider.gate("of the phone", ["That of ", "the phone."]);
  await first.send("hold on");
  running.pass(1);
  await first.lastReply().getByText("Holding").waitFor();
  await first.send("first wording");
  for (const chat of windows) await waiting(chat, ["first wording"]);
  await button(first, "first wording", "Edit").click();
  await first.queue.getByRole("textbox", { name: "Edit" }).fill("of the tab");
  await button(phone, "first wording", "Edit").click();
  await phone.queue.getByRole("textbox", { name: "Edit" }).fill("of the phone");
  await phone.queue.getByRole("button", { name: "Save" }).click();
  await phone.queue.getByText("of the phone").waitFor();
  // Its turn comes while the other one still writes.
  running.open();
  edited.pass(1);
  await phone.lastReply().getByText("That of").waitFor();
  first.device.allow(/status of 409/);
  const save = first.queue.getByRole("button", { name: "Save" });
  if (await save.isVisible()) await save.click();
  await eventually("the other wording is in the field", async () => assert.equal(await first.composer.inputValue(), "of the tab"));
  edited.open();
  next.open();
  for (const chat of windows) await chat.replied("That of the phone.");
});

journey("a message that comes while its conversation is being read is shown", async (scene) => {
  const user = await scene.stack.register();
  const conversation = await user.converse("Just then");
  const chat = await scene.open(user);
  await chat.live();
  const link = chat.side.getByRole("link", { name: /Just then/ });
  const reply = scene.provider.gate("just then", ["Here ", "it is."]);
  await chat.page.route("**/messages?*", async (route) => {
    const before = await route.fetch();
    await user.call("POST", `/conversations/${conversation.id}/messages`, { content: "just then" });
    reply.pass(1);
    await link.getByRole("img", { name: "a reply is being written" }).waitFor();
    await route.fulfill({ response: before });
  }, { times: 1 });
  await link.click();
  await chat.lastReply().getByText("Here").waitFor();
  reply.open();
  await chat.replied("Here it is.");
});
