// A conversation of five thousand messages.

import assert from "node:assert/strict";

import { Chat, eventually, journey } from "./src/harness.mjs";
import { fill } from "./src/long_conversation.mjs";

const TURNS = 2_500;

async function longConversation(scene) {
  const user = await scene.stack.register();
  const conversation = await user.converse("Years of talk");
  await fill(scene.stack, conversation, TURNS);
  return { user, conversation };
}

/** Rows that are in the page: few, however long the conversation is. */
const rowsInPage = (chat) => chat.thread.locator("article").count();

/** The numbers of the questions that are in the page once the next frame has been drawn. */
const drawnQuestions = ({ page }) => page.evaluate(async () => {
  await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
  return [...document.querySelectorAll("article.ask")].map(({ innerText }) => Number(/Question (\d+)/.exec(innerText)?.[1]));
});

/** Where a row stands in the window, in pixels. */
const topOf = async (row) => (await row.boundingBox()).y;

/** Notes, in each frame in which messages are seen, how far they are from their end. */
const NOTE_DISTANCES = () => {
  globalThis.distances = [];
  requestAnimationFrame(function note() {
    const article = document.querySelector("article.reply");
    const { scrollHeight, clientHeight, scrollTop } = document.getElementById("scroll") ?? {};
    if (article?.checkVisibility({ visibilityProperty: true })) globalThis.distances.push(Math.round(scrollHeight - clientHeight - scrollTop));
    requestAnimationFrame(note);
  });
};

journey("a conversation is at its end from the first frame on in which it is seen", async (scene) => {
  const user = await scene.stack.register();
  const conversation = await user.converse("Opened");
  await fill(scene.stack, conversation, 12);
  const device = await scene.device({ user });
  await device.context.addInitScript(NOTE_DISTANCES);
  const chat = new Chat(await device.visit(`#/c/${conversation.id}`), device);
  await chat.live();
  await eventually("some frames were seen", () => chat.page.evaluate(() => globalThis.distances.length > 20));
  assert.deepEqual(await chat.page.evaluate(() => globalThis.distances.filter((distance) => distance > 1)), []);
});

journey("of five thousand messages few are in the page; scrolling reads more, and nothing jumps", async (scene) => {
  const { user, conversation } = await longConversation(scene);
  const chat = await scene.open(user, `#/c/${conversation.id}`);
  await chat.live();
  const question = (n) => chat.questions().filter({ hasText: `Question ${n}:` });
  await question(TURNS).waitFor();
  assert.ok((await rowsInPage(chat)) < 60, "rows in the page at first");
  await chat.page.locator("#scroll").hover();
  const seen = new Set();
  // Up through some pages of history, so slowly that each row is drawn: none may be left out.
  await eventually("turn 2400 has been in the page", async () => {
    await chat.page.mouse.wheel(0, -500);
    for (const number of await drawnQuestions(chat)) seen.add(number);
    return seen.has(2_400);
  }, 40_000);
  const missing = Array.from({ length: TURNS - 2_400 }, (_, n) => 2_401 + n).filter((n) => !seen.has(n));
  assert.deepEqual(missing, [], "turns that never were in the page");
  assert.ok((await rowsInPage(chat)) < 80, "rows in the page after scrolling");
});

journey("what is being read stays where it is while older messages come above it and a reply grows below", async (scene) => {
  const { user, conversation } = await longConversation(scene);
  const chat = await scene.open(user, `#/c/${conversation.id}`);
  await chat.live();
  await chat.questions().filter({ hasText: `Question ${TURNS}:` }).waitFor();
  const reply = scene.provider.gate("grow", Array.from({ length: 40 }, (_, n) => `Paragraph ${n}, with some words in it.\n\n`));
  await chat.send("grow");
  reply.pass(1);
  await chat.lastReply().getByText("Paragraph 0").waitFor();
  await chat.page.locator("#scroll").hover();
  const anchor = chat.questions().filter({ hasText: `Question ${TURNS - 4}:` });
  await eventually("an earlier question is in sight", async () => {
    // Looked at before the next step, and back where a slow browser has gone too far.
    const box = (await anchor.count()) ? await anchor.boundingBox({ timeout: 2_000 }).catch(() => null) : null;
    if (box && box.y > 100 && box.y < 500) return true;
    await chat.page.mouse.wheel(0, box && box.y >= 500 ? 200 : -200);
    return false;
  });
  await chat.page.getByRole("button", { name: /^Latest/ }).waitFor();
  const before = await settled(() => topOf(anchor));
  reply.open();
  await eventually("the reply has ended", async () => !(await chat.page.getByRole("button", { name: "Stop the reply" }).isVisible()));
  const after = await settled(() => topOf(anchor));
  assert.ok(Math.abs(after - before) < 2, `it moved by ${after - before} px`);
  await chat.page.getByRole("button", { name: /^Latest/ }).click();
  await chat.lastReply().getByText("Paragraph 39").waitFor();
});

/** What a look brings once two in a row bring the same. */
async function settled(look) {
  let last = await look();
  await eventually("it comes to rest", async () => {
    const next = await look();
    const same = next === last;
    last = next;
    return same;
  });
  return last;
}

journey("the end stays in sight while a reply is written into five thousand messages", async (scene) => {
  const { user, conversation } = await longConversation(scene);
  const chat = await scene.open(user, `#/c/${conversation.id}`);
  await chat.live();
  const reply = scene.provider.gate("to the end", Array.from({ length: 30 }, (_, n) => `Line ${n} of a reply.\n\n`));
  await chat.send("to the end");
  for (let n = 0; n < 30; n += 5) {
    reply.pass(5);
    await eventually(`line ${n + 4} is in sight`, async () => {
      const box = await chat.lastReply().getByText(`Line ${n + 4} of`).boundingBox({ timeout: 500 });
      return box && box.y > 0 && box.y + box.height < 800;
    });
  }
  reply.open();
  await chat.replied("Line 29");
});

journey("a search leads to a message that is not in the page, and back to the end", async (scene) => {
  const { user, conversation } = await longConversation(scene);
  const chat = await scene.open(user, "");
  await chat.live();
  await chat.side.getByRole("searchbox", { name: "Search your messages" }).fill("needle321");
  const results = chat.page.getByRole("region", { name: "Search results" });
  await eventually("the search has found it", async () => assert.ok((await results.getByRole("link").count()) > 0), 30_000);
  assert.match(await results.getByRole("mark").or(results.locator("mark")).first().innerText(), /needle321/i);
  await results.getByRole("link").first().click();
  const found = chat.questions().filter({ hasText: "needle321 " });
  await eventually("the message is in sight", async () => {
    const box = await found.boundingBox({ timeout: 500 });
    return box && box.y > 0 && box.y < 700;
  });
  assert.match(chat.page.url(), new RegExp(`#/c/${conversation.id}/`));
  await chat.page.getByRole("button", { name: /^Latest/ }).click();
  await chat.questions().filter({ hasText: `Question ${TURNS}:` }).waitFor();
  await chat.ask("at the end");
});
