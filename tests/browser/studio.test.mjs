// The studio: a persona from nothing to an answer with its sources, and all that can go wrong on the way.

import assert from "node:assert/strict";
import { crc32, deflateSync } from "node:zlib";

import { Chat, eventually, journey } from "./src/harness.mjs";

const BREAD = "The bread of our house was rye with caraway, baked on Fridays in the oven behind the mill.";
const DIARY = "Diary of 1961. In March the flood took the footbridge, and Anselm carried the post across in a washtub.";


const make = (user, slug, more = {}) => user.call("POST", "/personas", { slug, name: "Rosa", system_prompt: "You are Rosa.", ...more });

const questionsOf = async (user, slug) => (await user.call("GET", `/questions?persona=${slug}&limit=100`)).items;

/** The field that answers the question which is asked now. */
const todaysAnswer = (page) => page.getByRole("region", { name: "Question of the day" }).getByRole("textbox");

journey("somebody makes a persona, answers ten questions, gives it a diary, and is answered with sources", async (scene) => {
  const user = await scene.stack.register();
  const chat = await scene.open(user, "");
  const { page } = chat;
  await page.getByRole("link", { name: "Make a persona" }).click();
  await page.getByRole("button", { name: /Somebody close/ }).click();
  await page.locator("#studio").getByLabel("Name", { exact: true }).fill("Großmutter Rosa");
  assert.equal(await page.getByLabel("Address", { exact: true }).inputValue(), "grossmutter-rosa");
  assert.match(await page.getByLabel("Who they are, and how they speak").inputValue(), /You are Großmutter Rosa\./);
  await page.getByRole("button", { name: "Make this persona" }).click();

  const today = page.getByRole("region", { name: "Question of the day" });
  for (let count = 1; count <= 10; count += 1) {
    await todaysAnswer(page).fill(count === 1 ? BREAD : `Answer number ${count}, as I remember it.`);
    await today.getByRole("button", { name: "This is the answer" }).click();
    await today.getByText(/The persona knows this/).waitFor();
    await page.getByText(`${count} of `).first().waitFor();
    if (count === 10) break;
    const asked = await today.getByRole("heading").innerText();
    await today.getByRole("button", { name: "Another question" }).click();
    await eventually("another question is asked", async () => assert.notEqual(await today.getByRole("heading").innerText(), asked));
  }

  await page.getByRole("link", { name: "Knowledge" }).click();
  await page.locator(".drop input[type=file]").setInputFiles({ name: "diary_1961.txt", mimeType: "text/plain", buffer: Buffer.from(DIARY) });
  await page.getByRole("listitem").filter({ hasText: "diary 1961" }).getByText(/1 passage/).waitFor();
  await page.getByText(/11 passages · all of it is found/).waitFor();
  await page.getByRole("searchbox", { name: "A question" }).fill("Who carried the post across the flood?");
  await page.getByRole("button", { name: "Look" }).click();
  await page.locator(".found-passages").getByText(/washtub/).waitFor();

  scene.provider.on("Who carried the post in the flood?", "Anselm did, in a washtub.");
  await page.getByRole("link", { name: "Talk", exact: true }).click();
  await page.getByRole("heading", { name: "Großmutter Rosa", level: 2 }).waitFor();
  await chat.ask("Who carried the post in the flood?", "Anselm did, in a washtub.");
  await chat.tool(chat.lastReply(), "Sources");
  const receipt = page.getByRole("dialog");
  await receipt.locator("summary").first().click();
  await receipt.getByText(/Anselm carried the post/).waitFor();
});

journey("an answer that two tabs write at once asks which of both texts it is, and keeps the other", async (scene) => {
  const user = await scene.stack.register();
  const { slug } = await make(user, "two-tabs");
  const one = await scene.open(user, `#/studio/${slug}/interview`);
  one.device.allow(/status of 412/);
  await todaysAnswer(one.page).waitFor();
  const two = new Chat(await one.device.visit(`#/studio/${slug}/interview`), one.device);
  await todaysAnswer(two.page).waitFor();

  await todaysAnswer(one.page).fill("We had soup.");
  await one.page.getByText(/Draft saved/).waitFor();
  await todaysAnswer(two.page).fill("We had bread.");
  await two.page.getByRole("alert").getByText(/changed in another place/).waitFor();
  const [mine, theirs] = await two.page.locator(".conflict-text").allInnerTexts();
  assert.deepEqual([mine, theirs], ["We had bread.", "We had soup."]);
  await two.page.getByRole("button", { name: "Keep mine" }).click();
  await two.page.getByText(/Draft saved/).waitFor();

  // The first tab has an older version now: with If-Match it learns of the other.
  await todaysAnswer(one.page).fill("We had soup and cake.");
  await one.page.getByRole("alert").getByText(/changed in another place/).waitFor();
  await one.page.getByRole("button", { name: "Take the other" }).click();
  assert.equal(await todaysAnswer(one.page).inputValue(), "We had bread.");
  const question = (await questionsOf(user, slug)).find(({ answer }) => answer);
  const answer = await user.call("GET", `/personas/${slug}/responses/${question.id}`);
  assert.equal(answer.content, "We had bread.");
  assert.ok(answer.history.some(({ content }) => content === "We had soup."), "the other text is in the history");
});

journey("what is wrong is said where it is wrong: a taken address, no provider, a file that is no document", async (scene) => {
  const user = await scene.stack.register();
  await make(user, "taken");
  const { page, device } = await scene.open(user, "#/studio/new");
  device.allow(/status of (409|422|415)/);
  await page.locator("#studio").getByLabel("Name", { exact: true }).fill("Rosa the Second");
  await page.getByLabel("Address", { exact: true }).fill("taken");
  await page.getByRole("button", { name: "Make this persona" }).click();
  await page.getByText("This address is taken. Choose another.").waitFor();
  await eventually("the address has the focus", () => page.evaluate(() => document.activeElement.name === "slug"));

  await page.getByLabel("Address", { exact: true }).fill("rosa-2");
  await page.getByText("Behind the scenes").click();
  await page.getByRole("textbox", { name: /Who is asked for replies/ }).fill("nobody/at-all");
  await page.getByRole("button", { name: "Make this persona" }).click();
  await page.getByText("there is no provider “nobody”").waitFor();
  assert.equal(await page.locator(".chip.is-wrong").count(), 1);
  assert.deepEqual((await user.call("GET", "/personas?limit=100")).items.filter(({ owned }) => owned).map(({ slug }) => slug), ["taken"], "nothing was made");

  await page.goto("/#/studio/taken/knowledge");
  await page.getByText("Rosa has read nothing yet.").waitFor();
  await page.locator(".drop input[type=file]").setInputFiles({ name: "picture.png", mimeType: "image/png", buffer: Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0]) });
  await page.getByRole("listitem").filter({ hasText: "picture.png" }).getByRole("alert").getByText(/\w+/).waitFor();
  assert.equal((await user.call("GET", "/personas/taken/documents")).items.length, 0);
});

journey("what is not saved survives a reload, is told of on leaving, and goes when its user signs out", async (scene) => {
  const user = await scene.stack.register();
  const { slug } = await make(user, "drafted", { name: "Draft Person" });
  const { page, device } = await scene.open(user, `#/studio/${slug}/settings`);
  device.allow(/status of 401/, /WebSocket/);
  const description = page.getByLabel("In a sentence or two");
  await description.fill("Not saved yet");
  await page.getByText("One change is not saved yet.").waitFor();
  await page.reload();
  await page.getByText("One change is not saved yet.").waitFor();
  assert.equal(await description.inputValue(), "Not saved yet");

  await page.getByRole("link", { name: "Your personas" }).click();
  await page.getByText("Your changes are not saved.").waitFor();
  await page.getByRole("button", { name: "Go back" }).click();
  await eventually("the change is there", async () => assert.equal(await description.inputValue(), "Not saved yet"));
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText("Saved.", { exact: true }).waitFor();
  assert.equal((await user.call("GET", `/personas/${slug}`)).description, "Not saved yet");

  await page.goto("/#/studio/new");
  await page.locator("#studio").getByLabel("Name", { exact: true }).fill("A secret friend");
  await page.reload();
  await page.getByText("You had begun here already.").waitFor();
  assert.equal(await page.locator("#studio").getByLabel("Name", { exact: true }).inputValue(), "A secret friend");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  assert.doesNotMatch(await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage })), /secret friend/);
});

journey("an answer is kept without a network, and saved when there is one", async (scene) => {
  const user = await scene.stack.register();
  const { slug } = await make(user, "offline-one");
  const { page, device } = await scene.open(user, `#/studio/${slug}/interview`);
  device.allow(/ERR_INTERNET_DISCONNECTED/, /WebSocket/, /Failed to fetch/);
  await todaysAnswer(page).waitFor();
  await device.offline(true);
  await todaysAnswer(page).fill("Written in a tunnel.");
  await page.getByText(/Not saved, but kept in this browser/).waitFor();
  await device.offline(false);
  await page.getByText(/Draft saved/).waitFor();
});

journey("a persona is tried beside its settings, and deleted by its name only", async (scene) => {
  const user = await scene.stack.register();
  const { slug } = await make(user, "tried", { name: "Tried One" });
  const { page } = await scene.open(user, `#/studio/${slug}/settings`);
  const trial = page.getByRole("region", { name: "Try Tried One" });
  await trial.getByRole("textbox").fill("hello there");
  await trial.getByRole("textbox").press("Enter");
  await trial.getByText("You said: hello there").waitFor();
  await page.getByLabel("In a sentence or two").fill("Changed");
  await trial.getByText("Your changes count once they are saved.").waitFor();
  await page.getByRole("button", { name: "Discard" }).click();

  await page.getByRole("button", { name: "Delete Tried One" }).click();
  await page.getByRole("dialog").getByRole("textbox").fill("Somebody Else");
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("That is another name, so nothing was deleted.").waitFor();
  await page.getByRole("button", { name: "Delete Tried One" }).click();
  await page.getByRole("dialog").getByRole("textbox").fill("Tried One");
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("Tried One is deleted.").waitFor();
  await page.getByText("Nobody is here yet").waitFor();
});

journey("the prompt for a question is inspected piece by piece, with the lore that it has and the lore that was left out", async (scene) => {
  const user = await scene.stack.register();
  const { slug } = await make(user, "inspected", { system_prompt: "You are Rosa of the mill.", post_history: "Be brief." });
  const entry = { enabled: true, insertion_order: 10, extensions: {} };
  const entries = [{ ...entry, id: 1, keys: ["flood"], content: "The flood came in 1961.", name: "The flood" }, { ...entry, id: 2, keys: ["oven"], content: "The oven is cold.", name: "The oven" }];
  await user.call("PUT", `/personas/${slug}/lorebook`, { spec: "lorebook_v3", data: { entries, extensions: {} } });
  const { page } = await scene.open(user, `#/studio/${slug}/settings`);
  await page.getByRole("textbox", { name: "A question to try" }).fill("When was the flood?");
  await page.getByRole("button", { name: "What is the model told?" }).click();
  const prompt = page.getByRole("dialog", { name: "What the model is told" });
  await prompt.getByText("For the question “When was the flood?”.").waitFor();
  const kinds = await prompt.locator(".inspect-group summary strong").allInnerTexts();
  assert.ok(kinds.includes("Persona") && kinds.indexOf("Persona") < kinds.indexOf("Question"), kinds.join(", "));
  for (const text of ["You are Rosa of the mill.", "The flood came in 1961.", "Be brief."]) await prompt.locator(".inspect-group", { hasText: text }).first().waitFor();
  await prompt.getByRole("listitem").filter({ hasText: "The flood" }).getByText(/“flood” · in the question/).waitFor();
  await prompt.getByText("1 entry left out").click();
  await prompt.getByRole("listitem").filter({ hasText: "The oven" }).getByText("No key was found").waitFor();
  await page.keyboard.press("Escape");
  await prompt.waitFor({ state: "detached" });
});

journey("a lorebook is brought, mended where its keys are wrong, written further and taken away", async (scene) => {
  const user = await scene.stack.register();
  const { slug } = await make(user, "lorist");
  const { page, device } = await scene.open(user, `#/studio/${slug}/lorebook`);
  device.allow(/status of 422/);
  await page.getByText("There are no entries yet.").waitFor();
  const worldInfo = { entries: {
    0: { uid: 0, key: ["flood"], keysecondary: [], comment: "The flood", content: "It came in 1961.", order: 100, position: 4, depth: 2, disable: false, vectorized: true },
    1: { uid: 1, key: ["/(?<=the )mill/"], comment: "The mill", content: "It stands still.", order: 100, position: 0, disable: false },
  } };
  const file = (name, content) => ({ name, mimeType: "application/json", buffer: Buffer.from(content) });
  const drop = page.locator(".drop input[type=file]");
  await drop.setInputFiles(file("broken.json", "{"));
  await page.locator(".card-report .fault").waitFor();
  await drop.setInputFiles(file("world.json", JSON.stringify(worldInfo)));
  await page.getByText("2 entries are stored.").waitFor();
  await page.getByText("1 entry has a key that matches nothing.").waitFor();

  const mill = page.locator(".lore-entry").filter({ hasText: "The mill" });
  await mill.getByText(/“\/\(\?<=the \)mill\/”: Look-around/).waitFor();
  await mill.getByRole("button", { name: "Remove /(?<=the )mill/" }).click();
  const keys = mill.getByRole("textbox", { name: "Add to: Keys", exact: true });
  await keys.fill("/the (old|new) mill{1,2}/i");
  await keys.press("Enter");
  await page.getByRole("button", { name: "Add an entry" }).click();
  const added = page.locator(".lore-entry").last();
  await added.getByLabel("Name", { exact: true }).fill("Anselm");
  await added.getByRole("textbox", { name: "Add to: Keys", exact: true }).fill("Anselm, postman");
  await added.getByRole("textbox", { name: "Add to: Keys", exact: true }).press("Enter");
  await added.getByLabel("Text", { exact: true }).fill("Anselm carried the post.");
  await added.getByLabel("Where it stands").selectOption("among the messages");
  await added.getByLabel("Messages from the end").fill("0");
  await page.getByText("The entries are changed, and not saved yet.").waitFor();
  await page.reload();
  await page.getByText("The entries are changed, and not saved yet.").waitFor();
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText("3 entries are stored.").waitFor();

  const { data: { entries } } = await user.call("GET", `/personas/${slug}/lorebook`);
  assert.deepEqual(entries.map((entry) => [entry.name || entry.comment, entry.keys]),
    [["The flood", ["flood"]], ["The mill", ["/the (old|new) mill{1,2}/i"]], ["Anselm", ["Anselm", "postman"]]]);
  assert.deepEqual([entries[0].extensions.vectorized, entries[0].extensions.depth, entries[2].extensions.position, entries[2].extensions.depth], [true, 2, 4, 0]);

  await page.locator(".lore-entry").first().locator("summary").click();
  await page.getByRole("button", { name: "Delete this entry" }).click();
  await page.getByRole("button", { name: "Discard" }).click();
  assert.equal(await page.locator(".lore-entry").count(), 3);
  await page.getByRole("button", { name: "Delete the lorebook" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete the lorebook" }).click();
  await page.getByText("There are no entries yet.").waitFor();
  assert.equal((await user.call("GET", `/personas/${slug}`)).has_lorebook, false);
});

journey("answers are imported with a report of each row, all or none at first", async (scene) => {
  const user = await scene.stack.register();
  const { slug } = await make(user, "imported");
  const { page, device } = await scene.open(user, `#/studio/${slug}/interview`);
  device.allow(/status of 422/);
  const rows = "question,content\nHow did you learn to bake?,From my aunt.\nWhat is missing here?,\n";
  await todaysAnswer(page).waitFor();
  await page.locator(".drop input[type=file]").setInputFiles({ name: "answers.csv", mimeType: "text/csv", buffer: Buffer.from(rows) });
  await page.getByText("Some rows are wrong, so nothing was stored.").first().waitFor();
  await page.getByRole("cell", { name: "content" }).waitFor();
  assert.equal((await user.call("GET", `/personas/${slug}/responses`)).items.length, 0);
  await page.getByRole("button", { name: "Bring in all other rows" }).click();
  await page.getByText("2 rows read · 1 new answer · 1 refused · 1 new question").waitFor();
  const own = page.locator("details.category").filter({ hasText: "Your own questions" });
  await own.locator("summary").first().click();
  await own.getByText("How did you learn to bake?").waitFor();
});

journey("versions are compared and brought back, and a greeting and tags are there", async (scene) => {
  const user = await scene.stack.register();
  const { slug } = await make(user, "versioned", { system_prompt: "She likes red wine.", greetings: ["Good morning."], tags: ["family"] });
  await user.call("PATCH", `/personas/${slug}`, { system_prompt: "She likes white wine, too." });
  const { page } = await scene.open(user, "#/studio");
  await page.getByRole("link", { name: /Rosa/ }).first().click();
  await page.getByRole("textbox", { name: "The greeting" }).waitFor();
  assert.equal(await page.getByRole("textbox", { name: "The greeting" }).inputValue(), "Good morning.");
  await page.getByText("family", { exact: true }).waitFor();
  await page.getByRole("link", { name: "Card V3, PNG" }).waitFor();

  await page.getByRole("link", { name: "Versions" }).click();
  await page.locator(".comparison ins").first().waitFor();
  assert.deepEqual(await page.locator(".comparison ins, .comparison del").allInnerTexts(), ["red", "white", ", too"]);
  await page.getByRole("button", { name: "Bring back version 1" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Bring back" }).click();
  await page.getByText("Version 1 is back.").waitFor();
  assert.equal((await user.call("GET", `/personas/${slug}`)).system_prompt, "She likes red wine.");
});

journey("a character comes as a card, with a report of what became of it, and goes as one", async (scene) => {
  const user = await scene.stack.register();
  const { page } = await scene.open(user, "#/studio");
  const data = { name: "Mira", description: "{{char}} mends nets.", first_mes: "Mind the ropes, {{user}}.", mes_example: "", personality: "", scenario: "", tags: ["harbour"] };
  const card = JSON.stringify({ spec: "chara_card_v2", spec_version: "2.0", data });
  const chooser = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: /card/i }).first().click();
  await (await chooser).setFiles({ name: "mira.json", mimeType: "application/json", buffer: Buffer.from(card) });
  const report = page.locator(".card-report");
  await report.getByText("first_mes → greetings").waitFor();
  await report.getByRole("link").click();
  const greetings = page.getByRole("group", { name: "Greetings" });
  await greetings.getByRole("textbox", { name: "The greeting" }).waitFor();
  await greetings.getByRole("button", { name: "Add another" }).click();
  await greetings.getByRole("textbox", { name: "Greeting 2" }).fill("You again?");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText("Saved.", { exact: true }).waitFor();
  assert.deepEqual((await user.call("GET", "/personas/mira")).greetings, ["Mind the ropes, {{user}}.", "You again?"]);
  await page.goto("/#/new/mira");
  await page.getByText("Mind the ropes,").waitFor();
});

/** A PNG of one colour. */
function png(side, colour) {
  const chunk = (kind, data) => {
    const body = Buffer.concat([Buffer.from(kind), data]);
    const ends = Buffer.alloc(8);
    ends.writeUInt32BE(data.length, 0);
    ends.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([8, 2], 8);
  const row = Buffer.from([0, ...Array(side).fill(colour).flat()]);
  const pixels = deflateSync(Buffer.concat(Array(side).fill(row)));
  return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), chunk("IHDR", header), chunk("IDAT", pixels), chunk("IEND", Buffer.alloc(0))]);
}

const isSeen = (picture) => picture.evaluate((image) => image.complete && image.naturalWidth > 0);

journey("a persona gets a picture that everybody sees, and is without one again", async (scene) => {
  const user = await scene.stack.register();
  const { slug } = await make(user, "painted", { visibility: "public" });
  await user.call("POST", "/conversations", { persona: slug });
  const { page, device } = await scene.open(user, `#/studio/${slug}/settings`);
  device.allow(/status of 415/);
  const input = page.locator(".avatar-field input[type=file]");
  const choose = async (buffer) => {
    await input.setInputFiles({ name: "rosa.png", mimeType: "image/png", buffer });
    await page.getByRole("button", { name: "Use this one" }).click();
  };
  await choose(Buffer.from("no picture"));
  await page.getByText("This is no PNG, JPEG or WebP.").waitFor();
  await choose(png(700, [200, 80, 80]));
  await page.getByText("The picture is changed.").waitFor();
  const address = (await user.call("GET", `/personas/${slug}`)).avatar_url;
  for (const place of [".bench-picture", ".avatar-now", "#conversations"]) {
    const picture = page.locator(`${place} img`).first();
    await eventually(`the picture is in ${place}`, async () => {
      assert.equal(await picture.getAttribute("src"), address);
      assert.ok(await isSeen(picture));
    });
  }

  const other = await scene.open(await scene.stack.register(), "");
  const picture = other.page.locator(`.persona[href$="/${slug}"] .avatar img`);
  await eventually("the picture is in the gallery", async () => assert.ok(await isSeen(picture)));
  await other.page.locator(`.persona[href$="/${slug}"]`).click();
  await eventually("the picture is above the conversation", async () => assert.ok(await isSeen(other.page.locator("#intro-avatar img"))));

  await page.getByRole("button", { name: "Remove the picture" }).click();
  await page.getByText("The picture is removed.").waitFor();
  assert.equal((await user.call("GET", `/personas/${slug}`)).avatar_url, null);
  await eventually("the letter is back", async () => assert.equal(await page.locator(".bench-picture img, #conversations img").count(), 0));
});
