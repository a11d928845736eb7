// Somebody who edits, branches, swipes and goes back.

import assert from "node:assert/strict";

import { Chat, PHONE, eventually, journey } from "./src/harness.mjs";

/** What a model is asked for that is to go on with a reply. */
const GO_ON = "Your reply was cut off. Go on exactly where it stops, in the same language and style, and repeat nothing of it.";

const versions = (row, kind) => row.getByRole("group", { name: `Versions of the ${kind}` });
const isAt = (row, kind, at) => versions(row, kind).getByText(at).waitFor();

/** Two turns: “first”, and “second”. */
async function twoTurns(scene, options) {
  const user = await scene.stack.register();
  const conversation = await user.converse("A tree");
  await user.ask(conversation, "first");
  await user.ask(conversation, "second");
  const chat = await scene.open(user, `#/c/${conversation.id}`, options);
  await chat.live();
  await chat.shows(chat.questions(), ["first", "second"]);
  return { user, conversation, chat };
}

journey("another reply stands beside the first, and one goes back and forth between them", async (scene) => {
  const { chat } = await twoTurns(scene);
  scene.provider.on("second", "Another answer.");
  await chat.tool(chat.lastReply(), "Another reply");
  await chat.replied("Another answer.");
  await isAt(chat.lastReply(), "reply", "2/2");
  await chat.tool(chat.lastReply(), "The reply before this one");
  await chat.replied("You said: second");
  await isAt(chat.lastReply(), "reply", "1/2");
  await versions(chat.lastReply(), "reply").getByRole("button", { name: "The next reply" }).press("ArrowRight");
  await chat.replied("Another answer.");
  await chat.shows(chat.questions(), ["first", "second"]);
  await chat.page.reload();
  await chat.replied("Another answer.");
  await isAt(chat.lastReply(), "reply", "2/2");
});

journey("a question that is edited opens a branch, and the old one is kept with all that followed it", async (scene) => {
  const { user, conversation, chat } = await twoTurns(scene);
  const other = await scene.openPhone(user, `#/c/${conversation.id}`);
  await other.live();
  await other.shows(other.questions(), ["first", "second"]);
  await chat.tool(chat.questions().first(), "Edit and send again");
  const editor = chat.thread.getByRole("textbox", { name: "Edit and send again" });
  assert.equal(await editor.inputValue(), "first");
  await editor.fill("first, edited");
  await chat.thread.getByRole("button", { name: "Send again", exact: true }).click();
  await chat.replied("You said: first, edited");
  for (const window of [chat, other]) await window.shows(window.questions(), ["first, edited"]);
  await isAt(chat.lastQuestion(), "question", "2/2");
  await chat.ask("and on");
  for (const window of [chat, other]) await window.shows(window.questions(), ["first, edited", "and on"]);

  await chat.tool(chat.questions().first(), "The question before this one");
  for (const window of [chat, other]) await window.shows(window.questions(), ["first", "second"]);
  await chat.tool(chat.questions().first(), "The next question");
  for (const window of [chat, other]) await window.shows(window.questions(), ["first, edited", "and on"]);
});

journey("the prompt follows the path that is chosen", async (scene) => {
  const { chat } = await twoTurns(scene);
  await chat.tool(chat.lastQuestion(), "Edit and send again");
  await chat.thread.getByRole("textbox", { name: "Edit and send again" }).fill("another second");
  await chat.page.keyboard.press("Enter");
  await chat.replied("You said: another second");
  await chat.ask("third");
  const { body } = scene.provider.calls.findLast(({ question }) => question === "third");
  const asked = body.messages.filter(({ role }) => role === "user").map(({ content }) => content);
  assert.deepEqual(asked, ["first", "another second", "third"]);
});

journey("a swipe on a phone leads to the other reply", async (scene) => {
  const { chat } = await twoTurns(scene, PHONE);
  scene.provider.on("second", "Another answer.");
  await chat.lastReply().getByRole("button", { name: "Another reply" }).tap();
  await chat.replied("Another answer.");
  await swipe(chat, chat.lastReply().locator(".text"), 150);
  await chat.replied("You said: second");
  await swipe(chat, chat.lastReply().locator(".text"), -150);
  await chat.replied("Another answer.");
});

/** A finger that moves sideways by so many pixels. */
async function swipe(chat, target, by) {
  const { x, y, width, height } = await target.boundingBox();
  const session = await chat.page.context().newCDPSession(chat.page);
  const touch = (type, at) => session.send("Input.dispatchTouchEvent", { type, touchPoints: at === null ? [] : [{ x: at, y: y + height / 2 }] });
  const from = x + (by < 0 ? width - 20 : 20);
  await touch("touchStart", Math.min(from, 340));
  for (let step = 1; step <= 5; step += 1) await touch("touchMove", Math.min(from, 340) + (by * step) / 5);
  await touch("touchEnd", null);
  await session.detach();
}

journey("a fork is a conversation of its own, and the other one is as it was", async (scene) => {
  const { user, conversation, chat } = await twoTurns(scene);
  await chat.tool(chat.replies().first(), "More actions");
  await chat.page.getByRole("menuitem", { name: "New conversation from here" }).click();
  await eventually("another conversation is open", () => chat.conversationId !== conversation.id);
  await chat.shows(chat.questions(), ["first"]);
  await chat.ask("only in the fork");
  const { items } = await user.call("GET", `/conversations/${conversation.id}/messages`);
  assert.deepEqual(items.map(({ content }) => content).reverse(), ["first", "You said: first", "second", "You said: second"]);
  await chat.page.getByRole("button", { name: "Back", exact: true }).click();
  await chat.shows(chat.questions(), ["first", "second"]);
});

journey("a reply that was stopped is continued, and begins with what there was", async (scene) => {
  const user = await scene.stack.register();
  const chat = await scene.open(user, "#/new/demo");
  await chat.live();
  const reply = scene.provider.gate("tell me a story", ["Once upon ", "a time."]);
  await chat.send("tell me a story");
  reply.pass(1);
  await chat.lastReply().getByText("Once upon").waitFor();
  await chat.page.getByRole("button", { name: "Stop the reply" }).click();
  await chat.lastReply().getByText("Stopped.").waitFor();
  reply.open();
  scene.provider.on(GO_ON, "there was an engine.");
  await chat.lastReply().getByRole("button", { name: "Go on with this reply" }).click();
  await chat.replied("Once upon there was an engine.");
  await isAt(chat.lastReply(), "reply", "2/2");
});

journey("a reply that failed says why, and is asked for again", async (scene) => {
  scene.expectLogs(/./);
  const user = await scene.stack.register();
  const chat = await scene.open(user, "#/new/demo");
  await chat.live();
  await chat.send("error 400");
  const again = chat.lastReply().getByRole("button", { name: "Ask again" });
  await again.waitFor();
  scene.provider.on("error 400", "It works now.");
  await again.click();
  await chat.replied("It works now.");
});
