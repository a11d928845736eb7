// Somebody who reads and writes in another language: replies in it, and translations beside what was said.

import assert from "node:assert/strict";

import { PHONE, Chat, eventually, journey, violations } from "./src/harness.mjs";
import { withTranslator } from "./src/translator.mjs";

const SEA = "The *sea* is calm.\n\n- It is blue.\n- It will stay so.";
const HEBREW = {
  "The *sea* is calm.": "*הים* רגוע.", "It is blue.": "הוא כחול.", "It will stay so.": "כך הוא יישאר.",
};
const GERMAN = {
  "The *sea* is calm.": "Das *Meer* ist ruhig.", "It is blue.": "Es ist blau.", "It will stay so.": "So bleibt es.",
  "the sea": "das Meer",
};

/** A Troupe whose translator is scripted, and a conversation there. */
const translated = (scene, body, options = {}) => withTranslator(scene, async (translator) => {
  scene.provider.on("the sea", SEA);
  translator.on("he", HEBREW);
  translator.on("de", GERMAN);
  const user = await scene.stack.register();
  const conversation = await user.converse("By the sea");
  await user.ask(conversation, "the sea");
  const chat = await scene.open(user, `#/c/${conversation.id}`, options);
  await chat.replied("It will stay so.");
  await body({ translator, user, conversation, chat });
});

const translationOf = (row) => row.getByRole("group", { name: "Translation", exact: true });
const languageOf = (row) => translationOf(row).getByRole("combobox", { name: "Language of the translation" });

/** The original and the translation of a row, as boxes. */
const bothBoxes = (row, words) =>
  Promise.all([row.locator(".text"), translationOf(row).getByText(words)].map((text) => text.boundingBox()));

async function openLanguage(page) {
  await page.getByRole("button", { name: "Actions for this conversation" }).click();
  await page.getByRole("menuitem", { name: "Language of replies" }).click();
  return page.getByRole("dialog").getByRole("combobox", { name: "Replies in" });
}

const focused = (page) => page.evaluate(() => document.activeElement.ariaLabel);
const chosen = (select) => select.evaluate((node) => node.selectedOptions[0].textContent);

journey("the language of the replies is the conversation's: in all tabs, and after a reload", async (scene) => {
  const user = await scene.stack.register();
  const { id } = await user.converse("In Ukrainian");
  const chat = await scene.open(user, `#/c/${id}`);
  await chat.live();
  const other = new Chat(await chat.device.visit(`#/c/${id}`), chat.device);
  await other.live();
  const there = await openLanguage(other.page);
  const here = await openLanguage(chat.page);
  assert.equal(await chosen(here), "The language of my messages");
  const names = await here.locator("option").allInnerTexts();
  assert.deepEqual(names.slice(1), names.slice(1).toSorted(new Intl.Collator("en-GB").compare));
  assert.deepEqual(await violations(chat.page), []);
  await here.selectOption({ label: "Українська" });
  await eventually("the other tab shows it", async () => assert.equal(await chosen(there), "Українська"));
  assert.equal((await user.call("GET", `/conversations/${id}`)).language, "uk");
  await chat.page.keyboard.press("Escape");
  await eventually("the focus is back", async () => assert.match(await focused(chat.page), /^Actions for this/));
  await chat.page.reload();
  await chat.live();
  const again = await openLanguage(chat.page);
  assert.equal(await chosen(again), "Українська");
  await again.selectOption({ label: "The language of my messages" });
  await eventually("it is that of the messages", async () => {
    assert.equal((await user.call("GET", `/conversations/${id}`)).language, null);
  });
});

journey("the language of the replies is chosen before the first message, and counts from the first reply on", async (scene) => {
  const user = await scene.stack.register();
  const chat = await scene.open(user, "#/new/demo");
  await chat.live();
  const button = chat.page.getByRole("button", { name: "Language of replies" });
  await button.getByText("The language of my messages").waitFor();
  await button.click();
  const choice = chat.page.getByRole("dialog").getByRole("combobox", { name: "Replies in" });
  assert.equal(await chosen(choice), "The language of my messages");
  await choice.selectOption({ label: "Українська" });
  assert.deepEqual(await violations(chat.page), []);
  await chat.page.keyboard.press("Escape");
  await eventually("the focus is back", async () => assert.equal(await chat.page.evaluate(() => document.activeElement.id), "intro-language"));
  await button.getByText("Ukrainian").waitFor();
  await chat.ask("good morning");
  assert.equal((await user.call("GET", `/conversations/${chat.conversationId}`)).language, "uk");
  const { body } = scene.provider.calls.findLast(({ question }) => question === "good morning");
  assert.match(JSON.stringify(body.messages), /in Ukrainian/);
  assert.equal(await chosen(await openLanguage(chat.page)), "Українська");
  await chat.page.keyboard.press("Escape");
  await chat.page.goto("/#/new/demo");
  await button.getByText("The language of my messages").waitFor();
  await chat.ask("good evening");
  assert.equal((await user.call("GET", `/conversations/${chat.conversationId}`)).language, null);
});

journey("a reply is read in another language beside the original, and once it is there, without a call", (scene) =>
  translated(scene, async ({ translator, chat }) => {
    const row = chat.lastReply();
    translator.hold();
    await chat.tool(row, "Translate");
    await translationOf(row).getByText("Translating…").waitFor();
    translator.release();
    await translationOf(row).getByText(/English · machine translation · libretranslate/).waitFor();
    await languageOf(row).selectOption({ label: "עברית" });
    const hebrew = translationOf(row).locator("div[lang=he]");
    await hebrew.getByText("הוא כחול.").waitFor();
    assert.equal(await hebrew.getAttribute("dir"), "rtl");
    assert.equal(await hebrew.locator("li").count(), 2, "as Markdown");
    assert.equal(await hebrew.locator("em").innerText(), "הים");
    assert.deepEqual(await violations(chat.page), []);
    const [original, translation] = await bothBoxes(row, "הוא כחול.");
    assert.ok(original.x + original.width <= translation.x, "side by side");
    const asked = translator.calls.length;
    await chat.tool(row, "Hide the translation");
    await eventually("the focus is back", async () => assert.equal(await focused(chat.page), "Translate"));
    assert.equal(await translationOf(row).count(), 0);
    await chat.tool(row, "Translate");
    await hebrew.getByText("הוא כחול.").waitFor();
    assert.equal(translator.calls.length, asked, "it was there");
    await languageOf(row).press("Escape");
    await eventually("it is closed", async () => assert.equal(await translationOf(row).count(), 0));
    assert.equal(await focused(chat.page), "Translate");
  }));

journey("a question is translated too, and the language that was chosen is remembered", (scene) =>
  translated(scene, async ({ chat }) => {
    await chat.tool(chat.lastReply(), "Translate");
    await languageOf(chat.lastReply()).selectOption({ label: "Deutsch" });
    await translationOf(chat.lastReply()).getByText("Es ist blau.").waitFor();
    await chat.page.reload();
    await chat.replied("It will stay so.");
    await chat.tool(chat.lastQuestion(), "Translate");
    await translationOf(chat.lastQuestion()).getByText("das Meer").waitFor();
    assert.equal(await translationOf(chat.lastQuestion()).locator("div[lang=de]").getAttribute("dir"), "ltr");
  }));

journey("where nothing could translate it, that is told, and it is tried again", (scene) =>
  translated(scene, async ({ translator, chat }) => {
    chat.device.allow(/status of 503/);
    translator.refuses = true;
    const row = chat.lastReply();
    await chat.tool(row, "Translate");
    await translationOf(row).getByText(/could translate/).waitFor();
    assert.deepEqual(await violations(chat.page), []);
    translator.refuses = false;
    await translationOf(row).getByRole("button", { name: "Try again" }).click();
    await translationOf(row).getByText(/machine translation/).waitFor();
  }));

journey("on a phone the translation stands below, and is in the menu of the reply", (scene) =>
  translated(scene, async ({ chat }) => {
    const row = chat.lastReply();
    await chat.openMenu(row.getByRole("button", { name: "More actions" }), "Translate");
    await languageOf(row).selectOption({ label: "Deutsch" });
    await translationOf(row).getByText("Es ist blau.").waitFor();
    const [original, translation] = await bothBoxes(row, "Es ist blau.");
    assert.ok(original.y + original.height <= translation.y, "below");
    assert.deepEqual(await violations(chat.page), []);
    await chat.openMenu(row.getByRole("button", { name: "More actions" }), "Hide the translation");
    await eventually("it is closed", async () => assert.equal(await translationOf(row).count(), 0));
  }, PHONE));

journey("the pages are translated into a language that nobody has written them in, and keep it", (scene) =>
  withTranslator(scene, async (translator) => {
    translator.on("he", { "Look and language": "מראה ושפה", "Kept in this browser.": "נשמר בדפדפן זה." });
    const user = await scene.stack.register();
    const { page } = await scene.open(user, "#/account");
    const select = page.getByRole("combobox", { name: "Language", exact: true });
    await select.locator("option[value=he]").waitFor({ state: "attached" });
    await select.selectOption("he");
    await page.getByRole("heading", { name: "מראה ושפה" }).waitFor();
    assert.deepEqual(await page.evaluate(() => [document.documentElement.lang, document.documentElement.dir]), ["he", "rtl"]);
    await page.getByText("Translated by machine: some texts may still be in English, or odd.").waitFor();
    assert.deepEqual(await violations(page), []);
    const calls = translator.calls.length;
    await page.reload();
    await page.getByRole("heading", { name: "מראה ושפה" }).waitFor();
    assert.equal(await page.locator("select[name=language]").inputValue(), "he");
    assert.equal(translator.calls.length, calls, "what is translated is kept");
  }));
