// Pictures of each page for docs/images: light, dark, on a phone, and in Arabic; that of a conversation in Hindi and in
// Japanese too. `make screenshots` runs it; with names of pages, only these are taken. It wants the fonts of
// docs/TESTING.md.

import { spawnSync } from "node:child_process";
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { Device, PHONE, atRest, launch } from "./src/browser.mjs";
import { Chat } from "./src/chat.mjs";
import { PAGE_LINES, REPLY_IN_HINDI, addOwn, addPersonas, lively, showCounts, showDevices } from "./src/lively.mjs";
import { Stack } from "./src/stack.mjs";
import { ScriptedTranslator } from "./src/translator.mjs";
import { eventually } from "./src/waiting.mjs";

const IMAGES = fileURLToPath(new URL("../../docs/images/", import.meta.url));
const MAX_BYTES = 150 * 1024;

/** What the page of a conversation has its texts from. */
const CATALOGUES = ["common", "problems", "chat", "side"];

const LOOKS = {
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  phone: { ...PHONE, colorScheme: "light" },
  arabic: { colorScheme: "light", locale: "ar-EG", language: "ar" },
  hindi: { colorScheme: "light", locale: "hi-IN", language: "hi" },
  japanese: { colorScheme: "light", locale: "ja-JP", language: "ja" },
};

const USUAL_LOOKS = ["light", "dark", "phone", "arabic"];

/** Each page: where it is, what is there once it can be looked at, and other looks than the usual ones. */
const PAGES = {
  gate: { isPublic: true, ready: ({ page }) => page.locator("#gate-form button").waitFor() },
  gallery: { ready: ({ page }) => page.locator("#personas a.persona").nth(5).waitFor() },
  chat: {
    hash: ({ id }) => `#/c/${id}`,
    ready: async (chat) => {
      await highlighted(chat);
      await chat.page.locator("#voice").waitFor();
    },
    looks: Object.keys(LOOKS),
  },
  translation: {
    hash: ({ id }) => `#/c/${id}`,
    async ready(chat) {
      await highlighted(chat);
      await chat.tool(chat.lastReply(), "Translate");
      await chat.lastReply().locator(".translation select").selectOption("hi");
      await chat.lastReply().locator(".translation [lang=hi] .code-keyword").first().waitFor();
      await chat.composer.focus();
    },
    looks: ["light"],
  },
  account: { hash: () => "#/account", ready: ({ page }) => page.locator("#account li").first().waitFor() },
  control: { isForAdmins: true, hash: () => "#/control", ready: ({ page }) => page.locator("#control .plot").nth(5).waitFor({ state: "attached" }) },
  studio: { hash: ({ own }) => `#/studio/${own}/settings`, ready: ({ page }) => page.locator(".trial").waitFor() },
  interview: { hash: ({ own }) => `#/studio/${own}/interview`, ready: ({ page }) => page.locator(".today textarea").waitFor() },
};

const highlighted = (chat) => chat.thread.locator("article.reply:not(.writing)").nth(1).locator("pre .code-keyword").first().waitFor();

/** Fewer colours, where the tool for it is at hand: nobody sees it, and the repository stays small. */
function reduce(png) {
  const { status, stdout } = spawnSync("pngquant", ["--quality=95-100", "--speed=1", "--strip", "-"], { input: png, maxBuffer: 16 * 1024 * 1024 });
  return status === 0 ? stdout : png;
}

async function take(page, name) {
  await atRest(page);
  const path = `${IMAGES}${name}.png`;
  writeFileSync(path, reduce(await page.screenshot({ animations: "disabled", caret: "hide" })));
  const { size } = statSync(path);
  console.log(`docs/images/${name}.png ${Math.ceil(size / 1024)} KiB`);
  if (size > MAX_BYTES) throw new Error(`${name}.png has more than ${MAX_BYTES} bytes: is pngquant installed?`);
}

/** Has the texts of a conversation's page translated, all of them. */
async function translatePage(user, language) {
  for (const name of CATALOGUES) {
    await eventually(`${name} is translated`, async () => !(await user.call("GET", `/translation/catalogue?name=${name}&language=${language}`)).pending);
  }
}

async function takePage(browser, stack, name, look, { user, admin, conversation }) {
  const { isPublic, isForAdmins, hash = () => "", ready } = PAGES[name];
  const { language = "en", ...options } = LOOKS[look];
  const device = await Device.open(browser, { origin: stack.url, user: isPublic ? null : isForAdmins ? admin : user, ...options });
  await device.context.addInitScript((code) => localStorage.setItem("troupe.language", JSON.stringify(code)), language);
  if (isForAdmins) await showCounts(device.context);
  await showDevices(device.context);
  // The greeting is that of the morning at any hour, and asking for notifications is not what a picture is about.
  await device.context.clock.setFixedTime(new Date(new Date().setHours(10, 0, 0, 0)));
  await device.context.addInitScript(() => localStorage.setItem("troupe.push_offer", JSON.stringify("answered")));
  const page = await device.visit(hash(conversation));
  await ready(new Chat(page, device));
  if (!isPublic) await page.locator("#side-skeletons").waitFor({ state: "hidden" });
  await take(page, `${name}-${look}`);
  await device.close();
}

async function takeDesign(browser, stack) {
  // It is for development only, and so no page of the server.
  const { url } = await stack.proxy({ files: true });
  const device = await Device.open(browser, { origin: url, viewport: { width: 1200, height: 1600 } });
  const page = await device.visit("", "/design");
  await page.getByRole("heading", { level: 1 }).waitFor();
  await take(page, "design");
  await device.close();
}

const translator = await ScriptedTranslator.start();
const stack = await Stack.start(translator.settings);
const browser = await launch();
try {
  mkdirSync(IMAGES, { recursive: true });
  await addPersonas(await stack.register("Owner"));
  const admin = await stack.register("Operator");
  await stack.sql(`update users set role = 'admin', email = 'operator@example.com' where id = '${admin.id}'`);
  admin.email = "operator@example.com";
  const scenes = {};
  for (const language of ["en", "ar", ...Object.keys(PAGE_LINES)]) scenes[language] = { ...(await lively(stack, language)), admin };
  for (const language of ["en", "ar"]) scenes[language].conversation.own = await addOwn(scenes[language].user, language);
  for (const [language, lines] of Object.entries(PAGE_LINES)) {
    translator.onLines(language, language === "hi" ? { ...lines, ...REPLY_IN_HINDI } : lines);
    await translatePage(scenes[language].user, language);
  }
  const named = process.argv.slice(2);
  for (const name of Object.keys(PAGES).filter((each) => !named.length || named.includes(each))) {
    const { looks = USUAL_LOOKS } = PAGES[name];
    for (const look of looks) await takePage(browser, stack, name, look, scenes[LOOKS[look].language ?? "en"]);
  }
  if (!named.length || named.includes("design")) await takeDesign(browser, stack);
} finally {
  await browser.close();
  await stack.stop();
  await translator.stop();
}
