// Finding conversations again, putting them in order, and leaving none behind.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

import { Chat, eventually, journey } from "./src/harness.mjs";

const row = (chat, title) => chat.side.getByRole("link", { name: title });
const menuOf = (chat, title, item) => chat.openMenu(chat.side.getByRole("button", { name: `Actions for ${title}` }), item);
const titles = (chat) => chat.page.locator("#conversations .item a .label").allInnerTexts();
const lists = (chat, wanted) => eventually(`the list is ${wanted}`, async () => assert.deepEqual(await titles(chat), wanted));

/** Conversations with these titles, the newest last, in two tabs. */
async function withConversations(scene, names) {
  const user = await scene.stack.register();
  const made = [];
  for (const name of names) {
    made.push(await user.converse(name));
    await user.ask(made.at(-1), `about ${name}`);
  }
  const chat = await scene.open(user);
  const other = new Chat(await chat.device.visit(), chat.device);
  await chat.live();
  await other.live();
  await lists(chat, [...names].reverse());
  return { user, made, chat, other };
}

journey("renamed, pinned, archived and brought back: both tabs show it", async (scene) => {
  const { chat, other } = await withConversations(scene, ["Bees", "Clocks", "Mosses"]);
  await menuOf(chat, "Bees", "Rename");
  await chat.page.getByRole("dialog").getByRole("textbox").fill("Honey bees");
  await chat.page.getByRole("dialog").getByRole("button", { name: "Rename" }).click();
  for (const tab of [chat, other]) await row(tab, "Honey bees").waitFor();
  await menuOf(chat, "Honey bees", "Pin");
  for (const tab of [chat, other]) await lists(tab, ["Honey bees", "Mosses", "Clocks"]);
  await menuOf(other, "Clocks", "Archive");
  for (const tab of [chat, other]) await lists(tab, ["Honey bees", "Mosses"]);
  await chat.page.getByRole("button", { name: "Archived conversations" }).click();
  await lists(chat, ["Clocks"]);
  await menuOf(chat, "Clocks", "Take out of the archive");
  await chat.page.getByRole("button", { name: "Back to all conversations" }).click();
  for (const tab of [chat, other]) await lists(tab, ["Honey bees", "Mosses", "Clocks"]);
});

journey("into a folder, and out of it again", async (scene) => {
  const { chat, other } = await withConversations(scene, ["Bees", "Clocks"]);
  await menuOf(chat, "Bees", "Move to a folder");
  await chat.page.getByRole("menuitem", { name: "New folder" }).click();
  await chat.page.getByRole("dialog").getByRole("textbox").fill("Garden");
  await chat.page.getByRole("dialog").getByRole("button", { name: "Create" }).click();
  for (const tab of [chat, other]) await lists(tab, ["Clocks"]);
  await other.side.getByRole("button", { name: /^Garden/ }).click();
  await lists(other, ["Bees"]);
  await menuOf(other, "Bees", "Move to a folder");
  await other.page.getByRole("menuitem", { name: "Take out of the folder" }).click();
  await lists(chat, ["Clocks", "Bees"]);
});

journey("saved as Markdown and as JSON", async (scene) => {
  const { chat } = await withConversations(scene, ["Bees"]);
  for (const [item, pattern, what] of [["Save as Markdown", /\.md$/, /You said: about Bees/], ["Save as JSON", /\.json$/, /You said: about Bees/]]) {
    const [download] = await Promise.all([chat.page.waitForEvent("download"), menuOf(chat, "Bees", item)]);
    assert.match(download.suggestedFilename(), pattern);
    assert.match(await readFile(await download.path(), "utf8"), what);
  }
});

journey("one that is deleted is gone from all tabs, also where it is open", async (scene) => {
  const { chat, other } = await withConversations(scene, ["Bees", "Clocks"]);
  other.device.allow(/status of 404/);
  await row(other, "Bees").click();
  await other.replied("about Bees");
  await menuOf(chat, "Bees", "Delete");
  await chat.page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  for (const tab of [chat, other]) await lists(tab, ["Clocks"]);
  await eventually("the other tab has left it", () => !other.page.url().includes("#/c/"));
});

journey("a search finds words of one's own messages and marks them; Escape ends it", async (scene) => {
  const { chat } = await withConversations(scene, ["Bees", "Clocks"]);
  const field = chat.side.getByRole("searchbox", { name: "Search your messages" });
  await field.fill("about bees");
  const found = chat.page.getByRole("region", { name: "Search results" });
  await eventually("both messages are found", async () => assert.ok((await found.getByRole("link").count()) >= 2), 30_000);
  const marks = (await found.locator("mark").allInnerTexts()).map((text) => text.toLowerCase());
  assert.ok(marks.some((text) => text.includes("bees")), marks.join());
  await found.getByRole("link").last().click();
  await chat.replied("about Bees");
  await field.fill("nothing has this word: xylophone");
  await found.getByText(/Nothing was found/).or(chat.side.getByText(/Nothing was found/)).first().waitFor();
  await field.press("Escape");
  await lists(chat, ["Clocks", "Bees"]);
});

journey("a temporary chat is in no list and no search", async (scene) => {
  const user = await scene.stack.register();
  const chat = await scene.open(user, "#/new/demo");
  await chat.live();
  await chat.page.getByRole("checkbox", { name: /Temporary chat/ }).or(chat.page.getByRole("switch", { name: /Temporary chat/ })).check();
  await chat.ask("a passing thought");
  await chat.main.getByText("Temporary", { exact: true }).waitFor();
  assert.equal(await row(chat, /a passing thought/).count(), 0);
  const { items } = await user.call("GET", "/conversations");
  assert.deepEqual(items, []);
  await chat.page.reload();
  await chat.replied("You said: a passing thought");
});

journey("a rating is kept with its note, and taken back", async (scene) => {
  const user = await scene.stack.register();
  const chat = await scene.open(user, "#/new/demo");
  await chat.live();
  await chat.ask("rate me");
  await chat.tool(chat.lastReply(), "Bad reply");
  await chat.page.getByRole("textbox", { name: /note|wrong/i }).fill("too short");
  await chat.page.getByRole("button", { name: "Save", exact: true }).click();
  const { items } = await user.call("GET", `/conversations/${chat.conversationId}/messages`);
  await eventually("the note is kept", async () => {
    const { rating, note } = await user.call("GET", `/requests/${items[0].request_id}/feedback`);
    assert.deepEqual({ rating, note }, { rating: "down", note: "too short" });
  });
  assert.equal(await chat.lastReply().getByRole("button", { name: "Bad reply" }).getAttribute("aria-pressed"), "true");
  // On another device the list tells it, and its note is there to be changed.
  const phone = await scene.openPhone(user, `#/c/${chat.conversationId}`);
  await phone.lastReply().getByRole("button", { name: "Bad reply", pressed: true }).click();
  const note = phone.page.getByRole("textbox", { name: /note|wrong/i });
  assert.equal(await note.inputValue(), "too short");
  await phone.page.getByRole("button", { name: "Take the rating back" }).click();
  await phone.lastReply().getByRole("button", { name: "Bad reply", pressed: false }).waitFor();
});

journey("a reply that was stopped is shown as such on another device", async (scene) => {
  const user = await scene.stack.register();
  const chat = await scene.open(user, "#/new/demo");
  await chat.live();
  const reply = scene.provider.gate("stop me", ["The beginning", " and the end"]);
  await chat.send("stop me");
  reply.pass(1);
  await chat.lastReply().getByText("The beginning").waitFor();
  await chat.page.getByRole("button", { name: "Stop the reply" }).click();
  const stopped = /stopped/i;
  await chat.lastReply().getByText(stopped).waitFor();
  const phone = await scene.openPhone(user, `#/c/${chat.conversationId}`);
  await phone.lastReply().getByText(stopped).waitFor();
});

journey("the owner of a persona opens what a reply drew on; others are told that it is the owner's", async (scene) => {
  const owner = await scene.stack.register();
  await owner.call("POST", "/personas", { slug: "keeper", name: "Keeper", system_prompt: "You keep a lighthouse.", visibility: "public" });
  const answers = [{ question: "Where do you live?", content: "In a lighthouse on the northern cliffs.", status: "final" }];
  await owner.call("POST", "/personas/keeper/responses/import", answers);
  await eventually("it is found", async () => (await owner.call("GET", "/personas/keeper/knowledge")).pending.sources === 0);
  for (const [user, shown] of [[owner, /In a lighthouse on the northern cliffs/], [await scene.stack.register(), /Only the owner of Keeper/]]) {
    const chat = await scene.open(user, "#/new/keeper");
    await chat.live();
    await chat.ask("Is your lighthouse on the cliffs?");
    await chat.tool(chat.lastReply(), "Sources");
    const panel = chat.page.getByRole("dialog", { name: "What the reply drew on" });
    await panel.locator("summary").click();
    await panel.getByText(shown).waitFor();
    assert.equal(await panel.getByText("Where do you live?", { exact: true }).count(), user === owner ? 1 : 0);
  }
});
