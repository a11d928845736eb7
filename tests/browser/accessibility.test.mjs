// What axe-core finds wrong, on every page, in light and dark; and everything by the keyboard alone.

import assert from "node:assert/strict";

import { PASSWORD, PHONE, Chat, eventually, journey, violations } from "./src/harness.mjs";
import { showCounts } from "./src/lively.mjs";
import { withTranslator } from "./src/translator.mjs";

/** Light, then dark, in the same window. */
async function assertAccessible(page, where) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    assert.deepEqual(await violations(page), [], `${where}, ${colorScheme}`);
  }
}

journey("axe-core finds nothing at the gate", async (scene) => {
  const device = await scene.device();
  const page = await device.visit();
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  await assertAccessible(page, "the gate");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").filter({ hasText: /\w/ }).or(page.locator(".fault:not(:empty)")).first().waitFor();
  device.allow(/status of 4/);
  await assertAccessible(page, "the gate with a fault");
});

journey("axe-core finds nothing in the gallery and in a new conversation", async (scene) => {
  const user = await scene.stack.register();
  const chat = await scene.open(user);
  await chat.live();
  await chat.page.getByRole("group", { name: "Personas" }).getByRole("link").first().waitFor();
  await assertAccessible(chat.page, "the gallery");
  await chat.page.getByRole("group", { name: "Personas" }).getByRole("link").first().click();
  await chat.page.getByRole("heading", { name: "Ada", level: 2 }).waitFor();
  await assertAccessible(chat.page, "a new conversation");
});

journey("axe-core finds nothing in a conversation: Markdown, versions, what waits, an editor, a menu", async (scene) => {
  const user = await scene.stack.register();
  const chat = await scene.open(user, "#/new/demo");
  await chat.live();
  await chat.ask("markdown", "the last line ends here");
  await chat.tool(chat.lastReply(), "Another reply");
  await chat.lastReply().getByText("2/2").waitFor();
  await chat.replied("the last line ends here");
  const running = scene.provider.gate("hold on", ["Holding ", "on."]);
  await chat.send("hold on");
  running.pass(1);
  await chat.lastReply().getByText("Holding").waitFor();
  for (const text of ["one", "two"]) await chat.send(text);
  await chat.queue.getByRole("listitem").nth(1).waitFor();
  await assertAccessible(chat.page, "a conversation");
  await chat.tool(chat.questions().first(), "Edit and send again");
  await assertAccessible(chat.page, "an editor");
  await chat.page.getByRole("button", { name: "Actions for this conversation" }).click();
  await chat.page.getByRole("menuitem", { name: "Rename" }).waitFor();
  await assertAccessible(chat.page, "a menu");
  running.open();
});

journey("axe-core finds nothing on a phone, with the list of conversations open", async (scene) => {
  const user = await scene.stack.register();
  await user.converse("A conversation");
  const chat = await scene.open(user, "", PHONE);
  await chat.live();
  await chat.page.getByRole("button", { name: "Conversations" }).tap();
  await chat.side.getByRole("link", { name: /A conversation/ }).waitFor();
  await assertAccessible(chat.page, "the list on a phone");
});

journey("axe-core finds nothing in the panels: details, memories, a rating with a note", async (scene) => {
  const user = await scene.stack.register();
  const chat = await scene.open(user, "#/new/demo");
  await chat.live();
  await chat.ask("hello");
  await chat.page.getByRole("button", { name: "What Ada remembers of you" }).click();
  await chat.page.getByRole("dialog").waitFor();
  await assertAccessible(chat.page, "memories");
  await chat.page.keyboard.press("Escape");
  await chat.tool(chat.lastReply(), "More actions");
  await chat.page.getByRole("menuitem", { name: "Details" }).click();
  await chat.page.getByRole("dialog").waitFor();
  await assertAccessible(chat.page, "details");
  await chat.page.keyboard.press("Escape");
  await chat.tool(chat.lastReply(), "Bad reply");
  await chat.page.getByRole("textbox", { name: /note|wrong/i }).waitFor();
  await assertAccessible(chat.page, "a rating");
});

journey("axe-core finds nothing in translations, while they are made, there, and refused, and in the choice of a language", (scene) =>
  withTranslator(scene, async (translator) => {
    const user = await scene.stack.register();
    const chat = await scene.open(user, "#/new/demo");
    await chat.live();
    await chat.ask("markdown", "the last line ends here");
    translator.hold();
    await chat.tool(chat.lastReply(), "Translate");
    await chat.lastReply().getByText("Translating…").waitFor();
    await assertAccessible(chat.page, "a translation that is being made");
    translator.release();
    await chat.lastReply().getByText(/machine translation/).waitFor();
    await assertAccessible(chat.page, "a translation");
    chat.device.allow(/status of 503/);
    translator.refuses = true;
    await chat.tool(chat.lastQuestion(), "Translate");
    await chat.lastQuestion().getByRole("button", { name: "Try again" }).waitFor();
    await assertAccessible(chat.page, "a translation that was refused");
    await chat.openMenu(chat.page.getByRole("button", { name: "Actions for this conversation" }), "Language of replies");
    await chat.page.getByRole("dialog").waitFor();
    await assertAccessible(chat.page, "the language of replies");
  }));

journey("axe-core finds nothing on the account page", async (scene) => {
  const user = await scene.stack.register();
  const chat = await scene.open(user, "#/account");
  await chat.page.getByRole("heading", { name: "Your data" }).waitFor();
  await chat.page.getByText("this browser").first().waitFor();
  await assertAccessible(chat.page, "the account");
});

journey("axe-core finds nothing in any section of the control room, nor in its dialogs and sheets", async (scene) => {
  const user = await scene.stack.register();
  await scene.stack.sql(`update users set role = 'admin' where id = '${user.id}'`);
  const { page } = await scene.open(user, "#/control");
  await showCounts(page);
  for (const section of ["queue", "dead-letters", "providers", "system", "users", "personas", "services", "tiers", "money", "statistics", "audit"]) {
    await page.goto(`/#/control/${section}`);
    await page.locator(`.control-nav [aria-current][href$="${section}"]`).waitFor();
    await eventually("everything is read", async () => assert.equal(await page.locator("#control .waits:visible").count(), 0));
    await assertAccessible(page, section);
  }
  await page.getByRole("button", { name: /^[a-z_.]+$/ }).first().click();
  await page.getByRole("dialog").waitFor();
  await assertAccessible(page, "a sheet");
  await page.keyboard.press("Escape");
  await page.goto("/#/control/services");
  await page.getByRole("button", { name: "New service" }).click();
  await page.getByRole("dialog").waitFor();
  await assertAccessible(page, "a dialog");
});

/** The parts of the studio, each with what is there once it can be looked at. */
const STUDIO = {
  "#/studio": (page) => page.getByRole("article").first(),
  "#/studio/new": (page) => page.getByRole("button", { name: "Make this persona" }),
  "#/studio/kept/settings": (page) => page.getByRole("region", { name: "Try Keeper" }),
  "#/studio/kept/interview": (page) => page.getByRole("region", { name: "Question of the day" }).getByRole("textbox"),
  "#/studio/kept/knowledge": (page) => page.getByText(/all of it is found/),
  "#/studio/kept/lorebook": (page) => page.locator(".lore-entry").first(),
  "#/studio/kept/insights": (page) => page.locator(".bars").first(),
};

journey("axe-core finds nothing in the studio, on a desk and on a phone", async (scene) => {
  const user = await scene.stack.register();
  await user.call("POST", "/personas", { slug: "kept", name: "Keeper", system_prompt: "You keep a lighthouse." });
  await user.call("POST", "/personas/kept/responses/import", [{ question: "Where do you live?", content: "In a lighthouse.", status: "final" }]);
  await user.call("PUT", "/personas/kept/lorebook", { spec: "lorebook_v3", data: { entries: [{ id: 1, keys: ["/(?<=a )lamp/"], content: "It burns oil." }] } });
  const { page } = await scene.open(user, "#/studio");
  for (const [hash, ready] of Object.entries(STUDIO)) {
    await page.goto(`/${hash}`);
    await ready(page).waitFor();
    if (hash.endsWith("interview")) await page.locator("details.category summary").first().click();
    if (hash.endsWith("lorebook")) await page.locator(".lore-entry summary").first().click();
    await assertAccessible(page, hash);
  }
  await page.setViewportSize(PHONE.viewport);
  await page.goto("/#/studio/kept/settings");
  await page.getByText("Behind the scenes").click();
  await assertAccessible(page, "the settings on a phone");
});

journey("axe-core finds nothing on the page of the design", async (scene) => {
  const { url } = await scene.stack.proxy({ files: true });
  const device = await scene.device({ origin: url });
  const page = await device.visit("", "/design");
  await page.getByRole("heading", { level: 1 }).waitFor();
  await assertAccessible(page, "the design");
});

/** Presses Tab until the focus is on what has this name. */
async function tabTo(page, name, key = "Tab") {
  const seen = [];
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press(key);
    const focused = await page.evaluate(() => {
      const { ariaLabel, labels, textContent, placeholder, tagName } = document.activeElement;
      return ariaLabel || labels?.[0]?.textContent.trim() || textContent.trim() || placeholder || tagName;
    });
    seen.push(focused);
    if (name.test(focused)) return;
  }
  throw new Error(`Tab did not lead to ${name}, but to ${seen.join(" → ")}`);
}

journey("by the keyboard alone one signs in, picks a persona, sends, and reaches every action", async (scene) => {
  const user = await scene.stack.register();
  const device = await scene.device();
  const page = await device.visit();
  const { keyboard } = page;
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  await eventually("the first field has the focus", () => page.evaluate(() => document.activeElement.name === "email"));
  await keyboard.type(user.email);
  await keyboard.press("Tab");
  await keyboard.type(PASSWORD);
  await keyboard.press("Enter");
  await page.getByRole("group", { name: "Personas" }).getByRole("link").first().waitFor();
  await tabTo(page, /^A?Ada/);
  await keyboard.press("Enter");
  await page.getByRole("heading", { name: "Ada", level: 2 }).waitFor();
  const chat = new Chat(page, device);
  await eventually("the field has the focus", () => page.evaluate(() => document.activeElement.id === "draft"));
  await keyboard.type("by keyboard");
  await keyboard.press("Enter");
  await chat.replied("You said: by keyboard");

  await tabTo(page, /^Another reply$/, "Shift+Tab");
  await keyboard.press("Enter");
  await chat.lastReply().getByText("2/2").waitFor();
  await chat.replied("You said: by keyboard");
  await tabTo(page, /^More actions$/);
  await keyboard.press("Enter");
  await page.getByRole("menu").waitFor();
  await keyboard.press("ArrowDown");
  await keyboard.press("Escape");
  assert.equal(await page.getByRole("menu").count(), 0);
  assert.equal(await page.evaluate(() => document.activeElement.ariaLabel), "More actions", "the focus is back at the button");

  await tabTo(page, /^Edit and send again$/, "Shift+Tab");
  await keyboard.press("Enter");
  await eventually("the editor has the focus", () => page.evaluate(() => document.activeElement.tagName === "TEXTAREA" && document.activeElement.id !== "draft"));
  await keyboard.press("Escape");
  await eventually("the field has the focus again", () => page.evaluate(() => document.activeElement.id === "draft"));
  await tabTo(page, /^Actions for this conversation$/, "Shift+Tab");
  await keyboard.press("Enter");
  await page.getByRole("menuitem", { name: "Rename" }).press("Enter");
  await page.getByRole("dialog").getByRole("textbox").fill("Renamed by keyboard");
  await keyboard.press("Enter");
  await page.getByRole("heading", { name: "Renamed by keyboard" }).waitFor();
});

journey("a link at the beginning of the page leads past the list of conversations", async (scene) => {
  const user = await scene.stack.register();
  const chat = await scene.open(user);
  await chat.live();
  await chat.page.getByRole("group", { name: "Personas" }).getByRole("link").first().waitFor();
  await chat.page.evaluate(() => document.activeElement.blur());
  await tabTo(chat.page, /^Skip to the conversation$/);
  await chat.page.keyboard.press("Enter");
  assert.equal(await chat.page.evaluate(() => document.activeElement.id), "main");
});
