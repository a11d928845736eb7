// Arabic on a phone of 360 pixels: from right to left, nothing too wide, no control over another.

import assert from "node:assert/strict";

import { PHONE, Chat, atRest, eventually, journey } from "./src/harness.mjs";
import { showCounts } from "./src/lively.mjs";
import { withTranslator } from "./src/translator.mjs";

const ARABIC = { ...PHONE, locale: "ar-EG" };

/** What is wider than the window, and controls in sight that lie over each other. */
const LOOK = () => {
  const label = (node) => `${node.tagName.toLowerCase()}${node.id && `#${node.id}`}.${node.className} “${(node.ariaLabel ?? node.textContent).trim().slice(0, 30)}”`;
  const boxes = [...document.querySelectorAll("a, button, input, select, textarea, [role=menuitem]")]
    .filter((node) => node.checkVisibility({ opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true }) && !node.closest("[inert], .unseen"))
    // Only what a finger would meet: not what scrolls under the head or the composer.
    .map((node) => ({ node, box: node.getBoundingClientRect() }))
    .filter(({ node, box }) => box.width > 0 && box.height > 0 && isMet(node, box));
  function isMet(node, { left, right, top, bottom }) {
    const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    return hit !== null && (node.contains(hit) || hit.contains(node));
  }
  const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
  const overlapping = boxes.flatMap((one, at) => boxes.slice(at + 1)
    .filter((other) => !one.node.contains(other.node) && !other.node.contains(one.node) && over(one.box, other.box))
    .map((other) => `${label(one.node)} and ${label(other.node)}`));
  const outside = boxes.filter(({ node, box }) => (box.left < -1 || box.right > innerWidth + 1) && !node.closest("pre, .table, .chips, .control-tabs")).map(({ node }) => label(node));
  const wide = Math.max(0, document.documentElement.scrollWidth - innerWidth);
  const sideways = [...document.querySelectorAll(".scrolls")].filter((node) => node.scrollWidth > node.clientWidth + 1).map(label);
  return { direction: document.documentElement.dir, language: document.documentElement.lang, overlapping, outside, wide, sideways };
};

async function assertFits(page, where) {
  await atRest(page);
  const seen = await page.evaluate(LOOK);
  assert.deepEqual(seen, { direction: "rtl", language: "ar", overlapping: [], outside: [], wide: 0, sideways: [] }, where);
}

journey("in Arabic, at 360 pixels: the gate", async (scene) => {
  const device = await scene.device(ARABIC);
  const page = await device.visit();
  await page.locator("#gate-form").getByRole("button").waitFor();
  await assertFits(page, "the gate");
});

journey("in Arabic, at 360 pixels: the gallery, the list of conversations and its menu", async (scene) => {
  const user = await scene.stack.register("نور");
  await user.converse("محادثة عن الطقس والبحر والجبال في بلاد بعيدة جدا من هنا");
  const chat = await scene.open(user, "", ARABIC);
  await chat.page.locator("#personas a").first().waitFor();
  await assertFits(chat.page, "the gallery");
  await chat.page.locator("#menu").tap();
  await chat.page.locator("#conversations a").first().waitFor();
  await assertFits(chat.page, "the list");
  await chat.page.locator("#conversations [aria-haspopup=menu]").first().tap();
  await chat.page.getByRole("menuitem").first().waitFor();
  await assertFits(chat.page, "the menu of a conversation");
});

journey("in Arabic, at 360 pixels: a conversation with Markdown, versions, what waits, and its editor", async (scene) => {
  const user = await scene.stack.register("نور");
  const conversation = await user.converse("محادثة");
  await user.ask(conversation, "markdown");
  const chat = new Chat(...(await arabicWindow(scene, user, `#/c/${conversation.id}`)));
  await chat.replied("the last line ends here");
  await assertFits(chat.page, "a conversation");
  const [again] = await chat.lastReply().locator(".tools button:visible").filter({ has: chat.page.locator("use[href$='#refresh']") }).all();
  await again.tap();
  await chat.lastReply().getByText("2/2").or(chat.lastReply().getByText("٢/٢")).waitFor();
  await chat.replied("the last line ends here");
  const running = scene.provider.gate("انتظر", ["أنا ", "أنتظر."]);
  await chat.send("انتظر");
  running.pass(1);
  await chat.lastReply().getByText("أنا").waitFor();
  await chat.send("السؤال الثاني الذي ينتظر دوره وهو أطول بكثير من السطر الواحد في هذا الهاتف الصغير");
  await chat.send("ثالث");
  await chat.queue.getByRole("listitem").nth(1).waitFor();
  await assertFits(chat.page, "what waits");
  running.open();
});

journey("in Arabic, at 360 pixels: translations of a question and of its reply, and the choice of a language", (scene) =>
  withTranslator(scene, async (translator) => {
    const user = await scene.stack.register("نور");
    const conversation = await user.converse("محادثة");
    await user.ask(conversation, "markdown");
    const chat = new Chat(...(await arabicWindow(scene, user, `#/c/${conversation.id}`)));
    await chat.replied("the last line ends here");
    const withIcon = (name) => ({ has: chat.page.locator(`use[href$='#${name}']`) });
    await chat.lastReply().locator("[aria-haspopup=menu]").tap();
    await chat.page.getByRole("menuitem").filter(withIcon("translate")).tap();
    await chat.lastReply().locator(".translation > [lang=ar]").waitFor();
    await assertFits(chat.page, "the translation of a reply");
    await chat.page.locator("#scroll").evaluate((scroll) => scroll.scrollTo(0, 0));
    await chat.lastQuestion().locator(".tools button").filter(withIcon("translate")).tap();
    await chat.lastQuestion().locator(".translation > [lang=ar]").waitFor();
    await assertFits(chat.page, "the translation of a question");
    assert.deepEqual(new Set(translator.calls.map(({ target }) => target)), new Set(["ar"]));
    await chat.page.locator("#conversation-menu").tap();
    await chat.page.getByRole("menuitem").filter(withIcon("globe")).tap();
    await chat.page.getByRole("dialog").getByRole("combobox").waitFor();
    await assertFits(chat.page, "the language of replies");
  }));

/** A window, and the device that it is in. */
async function arabicWindow(scene, user, hash) {
  const { page, device } = await scene.open(user, hash, ARABIC);
  return [page, device];
}

journey("in Arabic, at 360 pixels: the account page", async (scene) => {
  const user = await scene.stack.register("نور");
  const { page } = await scene.open(user, "#/account", ARABIC);
  await eventually("all panels are there", async () => assert.ok((await page.locator("#account h2").count()) >= 7));
  await page.locator("#account li").first().waitFor();
  await assertFits(page, "the account");
});

journey("in Arabic, at 360 pixels: every section of the control room", async (scene) => {
  const user = await scene.stack.register("نور");
  await scene.stack.sql(`update users set role = 'admin' where id = '${user.id}'`);
  const { page } = await scene.open(user, "#/control", ARABIC);
  await showCounts(page);
  for (const section of ["queue", "dead-letters", "providers", "system", "users", "personas", "services", "tiers", "money", "statistics", "audit"]) {
    await page.goto(`/#/control/${section}`);
    await page.locator(`.control-tabs [aria-current][href$="${section}"]`).waitFor();
    await eventually("everything is read", async () => assert.equal(await page.locator("#control .waits:visible").count(), 0));
    await assertFits(page, section);
  }
});

journey("in Arabic, at 360 pixels: the studio, all parts of it", async (scene) => {
  const user = await scene.stack.register("نور");
  await user.call("POST", "/personas", { slug: "jadda", name: "جدتي وردة", system_prompt: "أنت وردة.", languages: ["ar", "en"], description: "كانت تخبز كل يوم جمعة." });
  await user.call("POST", "/personas/jadda/responses/import", [{ question: "أين تسكنين؟", content: "في بيت قرب البحر.", status: "final" }]);
  await user.call("PUT", "/personas/jadda/lorebook", { spec: "lorebook_v3", data: { entries: [{ id: 1, name: "فيضان النهر", keys: ["الفيضان"], content: "جاء في الربيع." }] } });
  const { page } = await scene.open(user, "#/studio", ARABIC);
  const ready = {
    "": ".shelf-card", "/new": ".studio-end .primary", "/jadda/settings": ".trial", "/jadda/interview": ".today textarea", "/jadda/knowledge": ".indexing .dot.good", "/jadda/lorebook": ".lore-entry",
    "/jadda/insights": ".bars",
  };
  for (const [rest, selector] of Object.entries(ready)) {
    await page.goto(`/#/studio${rest}`);
    await page.locator(selector).first().waitFor();
    if (rest.endsWith("interview")) await page.locator("details.category summary").first().tap();
    if (rest.endsWith("lorebook")) await page.locator(".lore-entry summary").first().tap();
    // What has half gone under the head of the page lies over nothing.
    await page.locator("#scroll").evaluate((scroll) => scroll.scrollTo(0, 0));
    await assertFits(page, `the studio${rest}`);
  }
});

journey("another language is taken over at once, in all tabs, and kept", async (scene) => {
  const user = await scene.stack.register();
  const chat = await scene.open(user, "#/account");
  const other = new Chat(await chat.device.visit(), chat.device);
  await other.live();
  await chat.page.locator("#account").getByRole("combobox", { name: /^Language/ }).selectOption("ar");
  for (const { page } of [chat, other]) await eventually("it is Arabic", () => page.evaluate(() => document.documentElement.dir === "rtl"));
  await chat.page.getByRole("heading", { name: "حسابك" }).first().waitFor();
  await other.page.reload();
  await eventually("it is Arabic after a reload", () => other.page.evaluate(() => document.documentElement.lang === "ar"));
});
