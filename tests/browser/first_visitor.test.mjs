// Somebody who has never been here.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import { Chat, PASSWORD, journey } from "./src/harness.mjs";

journey("a first visitor opens an account, picks a persona, and reads a reply that is there after a reload", async (scene) => {
  const device = await scene.device();
  const page = await device.visit();
  await page.getByRole("button", { name: "Create an account" }).click();
  await page.getByRole("textbox", { name: "Name" }).fill("Grace Hopper");
  await page.getByRole("textbox", { name: "E-mail" }).fill(`grace-${randomUUID()}@example.com`);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Create account" }).click();

  await page.getByRole("heading", { name: /Grace Hopper/ }).waitFor();
  const chat = new Chat(page, device);
  await chat.live();
  await page.getByRole("group", { name: "Personas" }).getByRole("link", { name: /^Ada/ }).click();
  await page.getByRole("heading", { name: "Ada", level: 2 }).waitFor();

  const markdown = scene.provider.gate("markdown, please", ["# A head", "ing\n\n- one\n- two", "\n\n```rust\nfn main() {}\n```\n\n", "Done."]);
  await chat.send("markdown, please");
  markdown.pass(1);
  await chat.lastReply().getByRole("heading", { name: "A head", exact: true }).waitFor();
  markdown.pass(1);
  await chat.lastReply().getByRole("heading", { name: "A heading", exact: true }).waitFor();
  await chat.lastReply().getByRole("listitem").nth(1).waitFor();
  markdown.open();
  await chat.replied("Done.");
  assert.match(page.url(), /#\/c\/[\w-]+$/);

  await page.reload();
  await chat.replied("Done.");
  await chat.shows(chat.questions(), ["markdown, please"]);
  await chat.lastReply().getByRole("heading", { name: "A heading", exact: true }).waitFor();
  await chat.lastReply().getByText("fn main() {}").waitFor();
  await chat.side.getByRole("link", { name: /markdown, please/ }).waitFor();
});

journey("everything that Markdown is used for is shown as what it means", async (scene) => {
  const user = await scene.stack.register();
  const chat = await scene.open(user, "#/new/demo");
  await chat.ask("markdown", "the last line ends here");
  const reply = chat.lastReply();
  await reply.getByRole("heading", { name: "A heading of the first kind" }).waitFor();
  await reply.getByRole("link", { name: "a link" }).waitFor();
  await reply.getByRole("table").getByRole("cell", { name: "333" }).waitFor();
  await reply.getByRole("blockquote").waitFor();
  await reply.getByText("$e^{i\\pi} + 1 = 0$").waitFor();
  await reply.getByRole("listitem").filter({ hasText: "☑ done" }).waitFor();
  const alignment = await reply.getByRole("cell", { name: "333" }).evaluate((cell) => getComputedStyle(cell).textAlign);
  assert.match(alignment, /right|end/);
  await reply.getByRole("button", { name: "Copy", exact: true }).first().waitFor();
});

journey("a wrong password is said at the gate, and what was typed stays", async (scene) => {
  const user = await scene.stack.register();
  const device = await scene.device();
  device.allow(/status of 401/);
  const page = await device.visit();
  await page.getByRole("textbox", { name: "E-mail" }).fill(user.email);
  await page.getByLabel("Password").fill("not that one at all");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").filter({ hasText: /\w/ }).first().waitFor();
  assert.equal(await page.getByRole("textbox", { name: "E-mail" }).inputValue(), user.email);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: /Grace/ }).waitFor();
});
