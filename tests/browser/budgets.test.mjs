// What a first view may cost.

import assert from "node:assert/strict";

import { journey } from "./src/harness.mjs";
import { transfers } from "./src/measures.mjs";

const FIRST_VIEW_BYTES = 120 * 1024;

const sum = (sizes) => sizes.reduce((total, { bytes }) => total + bytes, 0);

/** Over the network, compressed, headers included, until the page is at rest. */
async function assertWithinBudget(device, where, open, hash = "") {
  const seen = await transfers(device, open, hash);
  const worst = [...seen].sort((a, b) => b.bytes - a.bytes).slice(0, 12).map(({ url, bytes }) => `${bytes} ${url}`);
  assert.ok(sum(seen) < FIRST_VIEW_BYTES, `${where} takes ${sum(seen)} bytes, more than ${FIRST_VIEW_BYTES}:\n${worst.join("\n")}`);
}

journey("the first view of a stranger, the gate, is small", async (scene) => {
  const device = await scene.device();
  await assertWithinBudget(device, "the gate", (page) => page.getByRole("button", { name: "Sign in" }).waitFor());
});

journey("the first view of somebody who has signed in, the gallery, is small", async (scene) => {
  const user = await scene.stack.register();
  const device = await scene.device({ user });
  await assertWithinBudget(device, "the gallery", (page) => page.getByRole("group", { name: "Personas" }).getByRole("link").first().waitFor());
});

journey("a conversation and the account page, opened by their addresses, are small", async (scene) => {
  const user = await scene.stack.register();
  const conversation = await user.converse("A first word");
  await user.ask(conversation, "Good morning");
  for (const [hash, ready] of [[`#/c/${conversation.id}`, "article.reply"], ["#/account", "#account li"]]) {
    const device = await scene.device({ user });
    await assertWithinBudget(device, hash, (page) => page.locator(ready).first().waitFor(), hash);
  }
});

journey("the control room, opened by its address, is small, and no other page loads it", async (scene) => {
  const admin = await scene.stack.register();
  await scene.stack.sql(`update users set role = 'admin' where id = '${admin.id}'`);
  const device = await scene.device({ user: admin });
  // It never rests: the queue is read again and again.
  const page = await device.visit("#/control");
  await page.locator("#control .tile").first().waitFor();
  const sizes = await page.evaluate(() => performance.getEntriesByType("resource").filter(({ name }) => !name.includes("/api/")).map(({ transferSize }) => transferSize));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  assert.ok(total > 0 && total < FIRST_VIEW_BYTES, `the control room takes ${total} bytes`);
  const other = await scene.device({ user: admin });
  const gallery = await transfers(other, (opened) => opened.getByRole("group", { name: "Personas" }).getByRole("link").first().waitFor());
  assert.deepEqual(gallery.filter(({ url }) => url.includes("/control")), []);
});
