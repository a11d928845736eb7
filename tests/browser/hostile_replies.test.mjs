// Replies that are broken or want to do harm: they are text, nothing of them runs, and nothing stalls.

import assert from "node:assert/strict";

import { eventually, journey, longTasks, watchTasks } from "./src/harness.mjs";

/** What somebody would take for a page that hangs. The figures are those of `figures.mjs`. */
const STALL_MS = 3_000;

async function reading(scene, question, ending) {
  const user = await scene.stack.register();
  const chat = await scene.open(user, "#/new/demo");
  await chat.live();
  await watchTasks(chat.page);
  await chat.send(question);
  await eventually(`the end of ${question}`, async () => assert.match(await chat.lastReply().textContent(), ending), 40_000);
  await chat.thread.locator("article.reply:not(.writing)").last().waitFor();
  return chat;
}

async function assertNoStall({ page }) {
  const [longest = 0] = await longTasks(page);
  assert.ok(longest < STALL_MS, `the longest task took ${longest} ms`);
}

journey("HTML, scripts and odd links of a reply are shown as text, and nothing of them runs or loads", async (scene) => {
  const chat = await reading(scene, "hostile", /Still here\./);
  const reply = chat.lastReply();
  const found = await reply.evaluate((node) => ({
    ran: globalThis.ran ?? null,
    forbidden: [...node.querySelectorAll("script, img, iframe, style, form, object, embed, details, math, svg a")].map(({ outerHTML }) => outerHTML),
    handlers: [...node.querySelectorAll("*")].filter(({ attributes }) => [...attributes].some(({ name }) => name.startsWith("on"))).length,
    links: [...node.querySelectorAll("a")].map(({ href }) => href).filter((href) => !/^https?:|^mailto:/.test(href)),
  }));
  assert.deepEqual(found, { ran: null, forbidden: [], handlers: 0, links: [] });
  await reply.getByText('<script>window.ran = "script"</script>').waitFor();
  await reply.getByText("[script link](javascript:window.ran='link')").waitFor();
  for (const link of await reply.getByRole("link").all()) assert.match(await link.getAttribute("rel"), /noopener/);
  await assertNoStall(chat);
  await chat.page.reload();
  await chat.lastReply().getByText("Still here.").waitFor();
  assert.equal(await chat.page.evaluate(() => globalThis.ran ?? null), null);
});

journey("a message that is HTML is shown as text as well", async (scene) => {
  const chat = await reading(scene, "<img src=x onerror=\"window.ran = 'question'\">", /You said: <img/);
  assert.equal(await chat.lastQuestion().locator("img").count(), 0);
  assert.equal(await chat.page.evaluate(() => globalThis.ran ?? null), null);
});

for (const [question, what, ending] of [
  ["line", "a line of 200 KB", /That was one line\./],
  ["nested", "ten thousand lists within each other", /That was a list\.|deepest/],
  ["quotes", "five thousand quotations within each other", /That was a quotation\.|deep/],
]) {
  journey(`${what}: stalls nothing, and the field can be written in`, async (scene) => {
    const chat = await reading(scene, question, ending);
    await chat.ask("and now?");
    await assertNoStall(chat);
    const overflow = await chat.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `the page is ${overflow} px too wide`);
  });
}

journey("a draft that is too long is said to be, where it is written, and nothing of it is lost", async (scene) => {
  const user = await scene.stack.register();
  const chat = await scene.open(user, "#/new/demo");
  const draft = "Grüße und so weiter. ".repeat(2_000);
  await chat.composer.fill(draft);
  await chat.main.getByRole("status").filter({ hasText: "too long" }).waitFor();
  await chat.composer.press("Enter");
  assert.equal(await chat.composer.inputValue(), draft);
  assert.ok(await chat.page.getByRole("button", { name: "Send", exact: true }).isDisabled());
});
