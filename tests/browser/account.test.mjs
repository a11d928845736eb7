// The account page: everything that somebody does there.

import assert from "node:assert/strict";

import { PASSWORD, Chat, eventually, journey } from "./src/harness.mjs";

const panel = (page, title) => page.locator("#account section", { has: page.getByRole("heading", { name: title, exact: true }) });

journey("a theme is taken over at once, in all tabs, and kept over a reload", async (scene) => {
  const user = await scene.stack.register();
  const chat = await scene.open(user, "#/account", { colorScheme: "light" });
  const other = await chat.device.visit();
  const background = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background(chat.page);
  await chat.page.getByRole("radio", { name: "Dark" }).check({ force: true });
  for (const page of [chat.page, other]) await eventually("it is dark", async () => assert.notEqual(await background(page), light));
  await chat.page.reload();
  await chat.page.getByRole("radio", { name: "Dark" }).waitFor({ state: "attached" });
  assert.notEqual(await background(chat.page), light);
});

journey("another password signs out everything else", async (scene) => {
  const user = await scene.stack.register();
  const [here, there] = [await scene.open(user, "#/account"), await scene.open(user, "")];
  await there.live();
  there.device.allow(/status of 401/, /WebSocket/);
  const password = panel(here.page, "Password");
  await password.getByLabel("Current password").fill("not this one at all");
  await password.getByLabel("New password").fill("quite another staple");
  here.device.allow(/status of 4/);
  await password.getByRole("button", { name: "Change the password" }).click();
  await password.locator(".fault:not(:empty)").first().waitFor();
  assert.equal(await password.getByLabel("New password").inputValue(), "quite another staple", "what was typed stays");
  await password.getByLabel("Current password").fill(PASSWORD);
  await password.getByRole("button", { name: "Change the password" }).click();
  await here.page.getByText("Your password is changed, and everything else is signed out.").waitFor();
  // It may be on its way to the gate by itself already, which ends this reload.
  await there.page.reload().catch(() => {});
  await there.page.getByRole("button", { name: "Sign in" }).waitFor();
  await here.page.reload();
  await here.page.getByRole("heading", { name: "Your data" }).waitFor();
});

journey("a key for a program is shown once, works, and ends when it is deleted", async (scene) => {
  const user = await scene.stack.register();
  const { page } = await scene.open(user, "#/account");
  const keys = panel(page, "Keys for programs");
  await keys.getByLabel("Name").fill("a script");
  await keys.getByRole("button", { name: "Make a key" }).click();
  const key = (await keys.locator(".made code").innerText()).trim();
  const call = () => fetch(`${scene.stack.api}/api/v1/conversations`, { headers: { Authorization: `Bearer ${key}` } });
  assert.equal((await call()).status, 200);
  await page.reload();
  await keys.getByRole("listitem").filter({ hasText: "a script" }).waitFor();
  assert.equal(await page.getByText(key).count(), 0);
  await keys.getByRole("listitem").filter({ hasText: "a script" }).getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await eventually("the key is gone", async () => assert.equal(await keys.getByRole("listitem").count(), 0));
  assert.equal((await call()).status, 401);
});

journey("one's data are exported into a file", async (scene) => {
  const user = await scene.stack.register();
  const { page } = await scene.open(user, "#/account");
  await page.getByRole("button", { name: "Export my data" }).click();
  const link = page.getByRole("link", { name: "Download" });
  await link.waitFor({ timeout: 30_000 });
  const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
  assert.equal(download.suggestedFilename(), "troupe-export.zip");
});

journey("an account is deleted after its password, and one is back at the gate", async (scene) => {
  const user = await scene.stack.register();
  const { page, device } = await scene.open(user, "#/account");
  device.allow(/status of 40/, /WebSocket/);
  await page.getByRole("button", { name: "Delete my account" }).click();
  await page.getByRole("dialog").getByRole("textbox").or(page.locator("dialog input")).first().fill(PASSWORD);
  await page.getByRole("dialog").getByRole("button", { name: "Delete everything" }).click();
  await page.getByText("Your account is closed").waitFor();
  await page.getByRole("button", { name: "Sign in" }).waitFor();
});

journey("whoever signs out leaves nothing behind, in any tab", async (scene) => {
  const user = await scene.stack.register();
  const conversation = await user.converse("Private");
  const chat = await scene.open(user, `#/c/${conversation.id}`);
  chat.device.allow(/status of 401/, /WebSocket/);
  const other = new Chat(await chat.device.visit(), chat.device);
  await other.live();
  await chat.live();
  await chat.composer.fill("a secret draft");
  await chat.page.getByRole("button", { name: "Sign out" }).click();
  for (const { page } of [chat, other]) await page.getByRole("button", { name: "Sign in" }).waitFor();
  const kept = await chat.page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
  assert.doesNotMatch(kept, /secret draft|Private/);
  assert.doesNotMatch(chat.page.url(), new RegExp(conversation.id));
});
