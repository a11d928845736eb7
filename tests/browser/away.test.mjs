// The server dies, WebSockets are blocked, the network is away: the text is complete all the same, and sent once.

import assert from "node:assert/strict";

import { eventually, journey } from "./src/harness.mjs";

/** What a browser says of a connection that is not there. */
const AWAY = [/ERR_(CONNECTION|EMPTY|INTERNET|ABORTED|FAILED|NETWORK|SOCKET)/, /WebSocket connection to .* failed/, /status of 50[234]/];

/** Notes that the window has not been loaded again. */
const markWindow = (chat) => chat.page.evaluate(() => (globalThis.sameWindow = true));
const isSameWindow = (chat) => chat.page.evaluate(() => globalThis.sameWindow === true);

journey("the server is killed in the middle of a reply, and after its restart the text is complete, without a reload", async (scene) => {
  const stack = await scene.ownStack();
  const user = await stack.register();
  const chat = await scene.open(user, "#/new/demo");
  chat.device.allow(...AWAY);
  await chat.live();
  await markWindow(chat);
  const reply = scene.provider.gate("go on", ["The first part, ", "the second part, ", "the third part, ", "and the end."]);
  await chat.send("go on");
  reply.pass(2);
  await chat.lastReply().getByText("the second part").waitFor();

  await stack.server.kill();
  reply.pass(1);
  await chat.page.locator("#live").getByText(/Reconnecting|cannot be reached/).waitFor();
  assert.match(await chat.lastReply().innerText(), /The first part, the second part/, "what was read stays");
  await stack.startServer();
  reply.open();
  await chat.replied("The first part, the second part, the third part, and the end.");
  await chat.live();
  assert.ok(await isSameWindow(chat), "the window was not loaded again");
  await chat.shows(chat.replies(), ["The first part, the second part, the third part, and the end."]);
  await chat.ask("still there?");
});

journey("where WebSockets are blocked, a reply still grows as it is written", async (scene) => {
  const proxy = await scene.stack.proxy();
  proxy.allowSockets(false);
  const user = await scene.stack.register();
  const chat = await scene.open(user, "#/new/demo", { origin: proxy.url });
  chat.device.allow(/WebSocket connection to .* failed/, /status of 403/);
  await chat.page.locator("#live").getByText("Live, without WebSockets").waitFor();
  const reply = scene.provider.gate("without sockets", ["Slowly ", "but ", "surely."]);
  await chat.send("without sockets");
  reply.pass(1);
  await chat.lastReply().getByText("Slowly").waitFor();
  reply.pass(1);
  await chat.lastReply().getByText("Slowly but").waitFor();
  reply.open();
  await chat.replied("Slowly but surely.");
});

journey("a socket that breaks in mid-reply is opened again, and no word is missing or doubled", async (scene) => {
  const proxy = await scene.stack.proxy();
  const user = await scene.stack.register();
  const chat = await scene.open(user, "#/new/demo", { origin: proxy.url });
  chat.device.allow(...AWAY);
  await chat.live();
  const chunks = Array.from({ length: 30 }, (_, n) => `w${n} `);
  const reply = scene.provider.gate("count", chunks);
  await chat.send("count");
  for (let cut = 1; cut <= 3; cut += 1) {
    reply.pass(10);
    await chat.lastReply().getByText(`w${cut * 10 - 5} `).waitFor();
    proxy.allowSockets(false);
    proxy.allowSockets(true);
  }
  reply.open();
  await chat.replied(chunks.join("").trim());
  await chat.shows(chat.replies(), [chunks.join("").trim()]);
});

journey("without a network a draft stays, and what is sent waits and is sent once when there is one again", async (scene) => {
  const user = await scene.stack.register();
  const conversation = await user.converse("Offline");
  await user.ask(conversation, "before");
  const chat = await scene.open(user, `#/c/${conversation.id}`, { serviceWorkers: "allow" });
  chat.device.allow(...AWAY);
  await chat.live();
  await chat.page.evaluate(async () => void (await navigator.serviceWorker.ready));
  // With a page that the worker controls, all that it needs is kept.
  await chat.page.reload();
  await chat.live();
  await chat.shows(chat.questions(), ["before"]);

  await chat.device.offline(true);
  await chat.page.locator("#live").getByText(/offline|Reconnecting/).waitFor();
  await chat.send("sent without a network");
  await chat.thread.getByText("Not sent yet.").waitFor();
  await chat.composer.fill("only a draft");
  await chat.page.reload();
  await eventually("the draft is there", async () => assert.equal(await chat.composer.inputValue(), "only a draft"));
  await chat.thread.getByText("sent without a network").waitFor();

  await chat.device.offline(false);
  await chat.replied("You said: sent without a network");
  assert.equal(await chat.composer.inputValue(), "only a draft");
  await chat.shows(chat.questions(), ["before", "sent without a network"]);
  const { items } = await user.call("GET", `/conversations/${conversation.id}/messages`);
  assert.equal(items.filter(({ content }) => content === "sent without a network").length, 1);
});

journey("a message that does not arrive is sent again, and one whose answer was lost stands once", async (scene) => {
  const user = await scene.stack.register();
  const conversation = await user.converse("Lost calls and answers");
  const chat = await scene.open(user, `#/c/${conversation.id}`);
  chat.device.allow(...AWAY);
  await chat.live();
  const keys = [];
  await chat.page.route("**/api/v1/conversations/*/messages", async (route) => {
    if (route.request().method() !== "POST") return route.continue();
    keys.push(route.request().headers()["idempotency-key"]);
    if (keys.length === 1) return route.abort("connectionreset");
    const answer = await route.fetch();
    return keys.length === 2 ? route.abort("connectionreset") : route.fulfill({ response: answer });
  });
  await chat.send("once");
  await chat.replied("You said: once");
  await chat.send("and another");
  await chat.replied("You said: and another");
  await chat.shows(chat.questions(), ["once", "and another"]);
  assert.equal(keys[0], keys[1], "the same message has the same key");
  const { items } = await user.call("GET", `/conversations/${conversation.id}/messages`);
  assert.equal(items.filter(({ role }) => role === "user").length, 2);
});
