// The control room: an admin finds out what is wrong, and puts it right.

import assert from "node:assert/strict";

import { eventually, journey } from "./src/harness.mjs";
import { refuse } from "./src/provider.mjs";

/** Somebody with an account and a role. */
async function registerAs(stack, role, name) {
  const user = await stack.register(name);
  await stack.sql(`update users set role = '${role}' where id = '${user.id}'`);
  return user;
}

const panel = (page, title) => page.locator("#control").getByRole("region", { name: title, exact: true });

/** The room, at a section. */
async function openRoom(scene, user, section = "", ...allowed) {
  const chat = await scene.open(user, `#/control${section && `/${section}`}`);
  chat.device.allow(...allowed);
  return chat.page;
}

/** Answers the dialog that is open. */
async function answer(page, { fill = {}, press }) {
  const dialog = page.getByRole("dialog");
  for (const [label, text] of Object.entries(fill)) await dialog.getByLabel(label, { exact: true }).fill(text);
  await dialog.getByRole("button", { name: press, exact: true }).click();
}

journey("an admin finds out why a message waits, and lets its worker go on; later the worker is drained", async (scene) => {
  await scene.ownStack();
  const admin = await registerAs(scene.stack, "admin", "Ada");
  const page = await openRoom(scene, admin);
  const workers = panel(page, "Workers");
  await workers.getByRole("button", { name: /^Pause/ }).click();
  await answer(page, { press: "Pause" });
  await page.getByRole("dialog").getByText("Must not be empty.").waitFor();
  await answer(page, { fill: { Reason: "its machine is being looked at" }, press: "Pause" });
  await workers.getByText("Because: its machine is being looked at").waitFor();

  const user = await scene.stack.register();
  const conversation = await user.converse("Good morning");
  const { request } = await user.call("POST", `/conversations/${conversation.id}/messages`, { content: "hello" });
  // Without anything done here: numbers come by themselves.
  await panel(page, "Now").locator(".tile", { hasText: "Open replies" }).getByText("1", { exact: true }).waitFor();
  const why = panel(page, "Why is this waiting?");
  await why.getByRole("textbox").fill(request.id);
  await why.getByRole("textbox").press("Enter");
  await why.getByText("Every worker is paused, or draining").waitFor();

  await workers.getByRole("button", { name: /^Resume/ }).click();
  await answer(page, { fill: { Reason: "it is well" }, press: "Resume" });
  await eventually("the reply is there", async () => assert.equal((await user.call("GET", `/requests/${request.id}`)).status, "completed"));
  await why.getByRole("button", { name: "Explain" }).click();
  await why.getByText("It has come to its end").waitFor();

  await workers.getByRole("button", { name: /^Resize/ }).click();
  await answer(page, { fill: { "Replies at once": "7", Reason: "fewer will do" }, press: "Resize" });
  await workers.getByText("0 of 7").waitFor();
  await workers.getByRole("button", { name: /^Drain/ }).click();
  await answer(page, { fill: { Reason: "another takes its place" }, press: "Go on…" });
  await page.getByRole("dialog").getByText(/can be neither paused nor resumed/).waitFor();
  await answer(page, { press: "Drain" });
  await workers.getByText(/Draining|Gone silent|No worker/).first().waitFor();
  assert.equal(await workers.getByRole("button", { name: /^(Pause|Resume)/ }).count(), 0);
});

journey("an admin cancels a request that hangs, with a reason, and sees what its events were", async (scene) => {
  const { stack } = scene;
  const user = await stack.register();
  const conversation = await user.converse("A long wait");
  const done = await user.ask(await user.converse("A short one"), "hello");
  const { request } = await user.call("POST", `/conversations/${conversation.id}/messages`, { content: "hang" });
  const page = await openRoom(scene, await registerAs(stack, "admin", "Ada"));
  const why = panel(page, "Why is this waiting?");
  await why.getByRole("textbox").fill(request.id);
  await why.getByRole("textbox").press("Enter");
  await why.getByRole("button", { name: "Cancel this request" }).click();
  await answer(page, { press: "Go on…" });
  await page.getByRole("dialog").getByText("Must not be empty.").waitFor();
  await answer(page, { fill: { Reason: "its provider hangs" }, press: "Go on…" });
  await answer(page, { press: "Cancel this request" });
  await page.getByText("The request is cancelled.").waitFor();
  await why.getByText("Cancelled", { exact: true }).waitFor();
  assert.equal(await why.getByRole("button", { name: "Cancel this request" }).count(), 0);
  assert.equal((await user.call("GET", `/requests/${request.id}`)).status, "cancelled");

  await why.getByRole("textbox").fill(done.id);
  await why.getByRole("textbox").press("Enter");
  await why.getByText("Completed", { exact: true }).waitFor();
  await why.getByRole("button", { name: "Show its events" }).click();
  const events = why.getByRole("list", { name: "Events" });
  await events.getByText("reply.completed").waitFor();
  assert.ok(!(await events.innerText()).includes("hello"), "nothing of what was said is shown");
  await why.getByText(/^Event (\d+) of \1 /).waitFor();
  await why.getByRole("button", { name: "The event before" }).click();
  await why.getByText(/^Event (\d+) of (?!\1 )/).waitFor();
  await why.getByRole("button", { name: "Play", exact: true }).click();
  await why.getByText(/^Event (\d+) of \1 /).waitFor();
});

journey("the environment is told beside the title where it has a name, and no other page has it", async (scene) => {
  await scene.ownStack({ TROUPE_SERVER__ENVIRONMENT: "production" });
  const page = await openRoom(scene, await registerAs(scene.stack, "admin", "Ada"));
  await page.locator(".head .titles").getByText("production", { exact: true }).waitFor();
  await page.getByRole("link", { name: "Conversations", exact: true }).click();
  await page.getByText("production", { exact: true }).waitFor({ state: "hidden" });
});

journey("a hundred dead letters are counted, and tried again", async (scene) => {
  const { stack, provider } = scene;
  const question = "Will it ever work?";
  provider.on(question, refuse(400));
  const user = await stack.register();
  const conversations = await Promise.all(["one", "two", "three", "four"].map((title) => user.converse(title)));
  const send = ({ id }) => user.call("POST", `/conversations/${id}/messages`, { content: question });
  await Promise.all(conversations.map(async (conversation) => {
    for (let sent = 0; sent < 25; sent += 1) await send(conversation);
  }));
  await eventually("all have failed", async () => assert.equal(await stack.sql("select count(*) from requests where status = 'failed'"), "100"));

  const page = await openRoom(scene, await registerAs(stack, "admin", "Ada"), "dead-letters");
  const replies = panel(page, "Replies");
  await replies.getByRole("row").nth(50).waitFor();
  await replies.getByLabel("Code").fill("no_such_code");
  await replies.getByText("Nothing has failed for good").waitFor();
  await replies.getByLabel("Code").fill("provider_failed");
  await replies.getByRole("row").nth(1).getByRole("button", { name: /^…/ }).first().click();
  const sheet = page.getByRole("dialog");
  await sheet.getByText("Attempt 1").first().waitFor();
  await sheet.getByText("did not understand the call").first().waitFor();
  await page.keyboard.press("Escape");

  await replies.getByRole("button", { name: "Discard all that match…" }).click();
  await page.getByText("The filter matches: 100 replies.").waitFor();
  await answer(page, { press: "Cancel" });
  provider.on(question, "It does.");
  await replies.getByRole("button", { name: "Retry all that match…" }).click();
  await page.getByRole("dialog").getByText(/The filter matches: 100 replies, about [\d,.K]+ tokens\./).waitFor();
  await answer(page, { press: "Go on…" });
  await answer(page, { press: "Retry 100 replies" });
  await page.getByText("Tried again: 100 replies.").waitFor();
  await replies.getByText("Nothing has failed for good").waitFor();
  await eventually("all are answered", async () => assert.equal(await stack.sql("select count(*) from requests where status = 'completed' and redrive_of is not null"), "100"));
});

journey("a persona is hidden with a reason, and shown again, and the audit log has both", async (scene) => {
  const owner = await scene.stack.register();
  const slug = `rogue-${owner.id.slice(-8)}`;
  await owner.call("POST", "/personas", { slug, name: "Rogue", system_prompt: "You are rude.", visibility: "public" });
  const admin = await registerAs(scene.stack, "admin", "Ada");
  const page = await openRoom(scene, admin, "personas");
  const all = panel(page, "All personas");
  await all.getByLabel("Name or slug").fill("rog");
  const row = all.getByRole("row").filter({ hasText: slug });
  await row.getByRole("button", { name: "Hide: Rogue" }).click();
  await answer(page, { fill: { Reason: "it insults people" }, press: "Hide" });
  await row.getByText(/it insults people/).waitFor();
  assert.equal((await owner.call("GET", `/personas/${slug}`)).hidden_reason, "it insults people");
  await row.getByRole("button", { name: "Show again: Rogue" }).click();
  await row.getByText("Shown", { exact: true }).waitFor();

  await page.getByRole("link", { name: "Audit log" }).click();
  const entries = panel(page, "Entries");
  await entries.getByLabel("What").fill("persona.hidden");
  await eventually("only those are shown", async () => assert.deepEqual([...new Set(await entries.locator("tbody .link").allInnerTexts())], ["persona.hidden"]));
  await entries.getByRole("button", { name: "persona.hidden" }).first().click();
  await page.getByRole("dialog").getByText("it insults people").waitFor();
  await page.keyboard.press("Escape");
  await entries.getByRole("button", { name: "Verify" }).click();
  await entries.getByText(/The log is whole: \d+ entries/).waitFor();
  const [file] = await Promise.all([page.waitForEvent("download"), entries.getByRole("link", { name: "Export" }).click()]);
  assert.match(file.suggestedFilename(), /audit.*\.jsonl$/);
});

journey("tiers, prices, budgets and services are changed, and what is wrong is said beside its field", async (scene) => {
  const admin = await registerAs(scene.stack, "admin", "Ada");
  const page = await openRoom(scene, admin, "tiers");
  const tiers = panel(page, "All tiers");
  await tiers.getByRole("button", { name: "New tier" }).click();
  await answer(page, { fill: { Name: "patrons", Weight: "8" }, press: "Create" });
  await tiers.getByRole("row").filter({ hasText: "patrons" }).getByText("8", { exact: true }).waitFor();

  await page.getByRole("link", { name: "Prices and budgets" }).click();
  const budgets = panel(page, "Budgets");
  await budgets.getByRole("button", { name: "New budget" }).click();
  await page.getByRole("dialog").getByLabel("Of").selectOption("tier");
  await answer(page, { fill: { Whose: "patrons", "A day": "12.5" }, press: "Save" });
  await budgets.getByRole("row").filter({ hasText: "patrons" }).getByText("12.50").waitFor();
  const prices = panel(page, "Prices");
  await prices.getByRole("button", { name: "New price" }).click();
  await answer(page, { fill: { Provider: "openai", "Price of what is read": "0.4", "Price of what is written": "1.6" }, press: "Save" });
  await prices.getByRole("row").filter({ hasText: "every other" }).getByText("1.60").waitFor();

  await page.getByRole("link", { name: "Services", exact: true }).click();
  const programs = panel(page, "Programs");
  await programs.getByRole("button", { name: "New service" }).click();
  await answer(page, { fill: { "Name of the token": "first", Name: "crm-sync" }, press: "Create" });
  const token = (await programs.locator(".once code").innerText()).trim();
  const status = async () => (await fetch(`${scene.stack.api}/api/v1/conversations`, { headers: { Authorization: `Bearer ${token}` } })).status;
  assert.equal(await status(), 200);
  await programs.getByRole("button", { name: "Delete: crm-sync" }).click();
  await answer(page, { press: "Delete" });
  await programs.getByText("There are no services.").waitFor();
  assert.equal(await status(), 401);
});

journey("accounts are found, changed and closed, and a section that fails takes no other with it", async (scene) => {
  const admin = await registerAs(scene.stack, "admin", "Ada");
  const other = await scene.stack.register("Mallory");
  const page = await openRoom(scene, admin, "users", /status of 503/);
  const accounts = panel(page, "Accounts");
  await accounts.getByLabel("E-mail").fill(other.email);
  const row = accounts.getByRole("row").filter({ hasText: "Mallory" });
  await row.waitFor();
  await eventually("others are not shown", async () => assert.equal(await accounts.locator("tbody tr").count(), 1));
  const act = async (item) => {
    await row.getByRole("button", { name: "Actions for Mallory" }).click();
    await page.getByRole("menuitem", { name: item }).click();
  };
  await act("Change role or tier");
  await page.getByRole("dialog").getByLabel("Tier").selectOption("pro");
  await answer(page, { press: "Save" });
  await row.getByText("pro", { exact: true }).waitFor();
  await act("Delete the account");
  await answer(page, { press: "Go on…" });
  await page.getByText(`Really delete ${other.email}?`).waitFor();
  await answer(page, { press: "Delete the account" });
  await accounts.getByText("No account fits that.").waitFor();

  await page.route("**/api/v1/admin/invitations*", (route) => route.fulfill({ status: 503, contentType: "application/problem+json", body: JSON.stringify({ status: 503, code: "unavailable", detail: "PostgreSQL does not answer", retryable: true }) }));
  await page.reload();
  const invitations = panel(page, "Invitations");
  await invitations.getByRole("alert").getByText("PostgreSQL does not answer.").waitFor();
  await accounts.getByRole("row").nth(1).waitFor();
  await page.unroute("**/api/v1/admin/invitations*");
  await invitations.getByRole("button", { name: "Try again" }).click();
  await invitations.getByText("There are no invitations.").waitFor();
});

journey("who may only look is offered nothing to change", async (scene) => {
  const auditor = await registerAs(scene.stack, "auditor", "Ada");
  const { page } = await scene.open(auditor, "#/control");
  await panel(page, "Workers").getByText("Active").waitFor();
  assert.equal(await panel(page, "Workers").getByRole("button", { name: /Pause|Drain|Resize/ }).count(), 0);
  await page.getByRole("link", { name: "Tiers" }).click();
  await panel(page, "All tiers").getByRole("row").nth(1).waitFor();
  assert.equal(await panel(page, "All tiers").getByRole("button").count(), 0);
});

journey("somebody who is no admin sees no link, and the address says a clear word", async (scene) => {
  const user = await scene.stack.register();
  const { page } = await scene.open(user, "#/control");
  await page.getByText("This is for admins").waitFor();
  assert.equal(await page.locator("#control-link").isVisible(), false);
  await page.getByRole("main").getByRole("link", { name: "To the conversations" }).click();
  await page.getByRole("group", { name: "Personas" }).getByRole("link").first().waitFor();

  const admin = await registerAs(scene.stack, "admin", "Ada");
  const { page: room } = await scene.open(admin);
  await room.getByRole("link", { name: "Control room" }).click();
  await room.getByRole("heading", { name: "Queue" }).waitFor();
  await room.getByRole("link", { name: "Conversations", exact: true }).click();
  await room.getByRole("group", { name: "Personas" }).getByRole("link").first().waitFor();
  assert.equal(await room.getByRole("link", { name: "Dead letters" }).count(), 0, "its sections are gone");
});
