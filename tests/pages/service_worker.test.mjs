// The service worker: what it answers from its cache, what it leaves alone, and when it shows a notification.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import vm from "node:vm";

const SOURCE = await readFile(new URL("../../server/src/pages/assets/sw.js", import.meta.url), "utf8");
const ORIGIN = "https://troupe.example";

/** Caches that hold their answers by address. */
function fakeCaches() {
  const stores = new Map();
  const open = async (name) => {
    const store = stores.get(name) ?? stores.set(name, new Map()).get(name);
    return {
      addAll: async (paths) => paths.forEach((path) => store.set(path, `cached ${path}`)),
      put: async (request, answer) => store.set(new URL(request.url ?? request, ORIGIN).pathname, answer),
    };
  };
  const match = async (request, { cacheName } = {}) => {
    const path = new URL(request.url ?? request, ORIGIN).pathname;
    const searched = cacheName ? [cacheName] : [...stores.keys()];
    return searched.map((name) => stores.get(name)?.get(path)).find(Boolean);
  };
  return { stores, open, match, keys: async () => [...stores.keys()], delete: async (name) => stores.delete(name) };
}

/** The worker as the build makes it, in a browser that has `network` and `windows`. */
function start({ network = async () => ({ status: 200, ok: true }), windows = [] } = {}) {
  const listeners = new Map();
  const shown = [];
  const opened = [];
  const caches = fakeCaches();
  const self = {
    location: new URL(ORIGIN),
    addEventListener: (type, listener) => listeners.set(type, listener),
    clients: { matchAll: async () => windows, claim: async () => {}, openWindow: async (address) => opened.push(address) },
    registration: { showNotification: async (title, options) => shown.push({ title, ...options }) },
  };
  const built = SOURCE.replace('"assets-of-the-build"', '["/assets/main.1.js"]').replace('"version-of-the-build"', '"two"');
  vm.runInNewContext(built, { self, caches, fetch: network, URL, AbortSignal, Response: { error: () => "no answer" } });
  const send = async (type, event) => {
    let done = null;
    listeners.get(type)({ waitUntil: (promise) => (done = promise), respondWith: (promise) => (done = promise), ...event });
    return done;
  };
  const get = (path, more) => send("fetch", { request: { method: "GET", url: ORIGIN + path, mode: "cors", ...more } });
  const push = (message) => send("push", { data: { json: () => message } });
  return { caches, opened, shown, send, get, push };
}

test("the shell and the assets come from the cache where there is no network", async () => {
  const worker = start({ network: () => Promise.reject(new TypeError("no network")) });
  await worker.send("install", {});
  assert.equal(await worker.get("/", { mode: "navigate" }), "cached /");
  assert.equal(await worker.get("/assets/main.1.js"), "cached /assets/main.1.js");
});

test("a reload has what the network has, unless the server fails", async () => {
  const answers = [{ status: 200 }, { status: 502 }];
  const worker = start({ network: async () => answers.shift() });
  await worker.send("install", {});
  assert.equal((await worker.get("/", { mode: "navigate" })).status, 200);
  assert.equal(await worker.get("/", { mode: "navigate" }), "cached /");
});

test("calls of the API, other pages and other origins are left alone", async () => {
  const worker = start();
  assert.equal(await worker.get("/api/v1/conversations"), null);
  assert.equal(await worker.get("/docs", { mode: "navigate" }), null);
  assert.equal(await worker.get("/", { mode: "navigate", method: "POST" }), null);
  assert.equal(await worker.get("", { url: "https://elsewhere.example/assets/x.js" }), null);
});

test("a new version keeps the one before, for tabs that were not reloaded", async () => {
  const worker = start();
  for (const name of ["troupe-zero", "troupe-one", "troupe-two", "troupe-settings", "other"]) await worker.caches.open(name);
  await worker.send("activate", {});
  assert.deepEqual([...worker.caches.stores.keys()], ["troupe-one", "troupe-two", "troupe-settings", "other"]);
});

const REPLY = { type: "reply.completed", conversation_id: "c", request_id: "r", persona: "Ada", excerpt: "The sea …" };

test("a reply is told where no window is looked at, in the words that the page has left", async () => {
  const worker = start({ windows: [{ visibilityState: "hidden" }] });
  const settings = { language: "de", texts: { ready: "{name} hat geantwortet", failed: "{name} …", failed_about: "Noch einmal?" } };
  await (await worker.caches.open("troupe-settings")).put("/push-settings", { json: async () => settings });
  await worker.push(REPLY);
  await worker.push({ ...REPLY, type: "request.failed" });
  const [ready, failed] = worker.shown;
  assert.deepEqual([ready.title, ready.body, ready.tag, ready.lang], ["Ada hat geantwortet", "The sea …", "c", "de"]);
  assert.deepEqual([failed.title, failed.body], ["Ada …", "Noch einmal?"]);
});

test("nothing is told to somebody who is looking, or of nothing", async () => {
  const looking = start({ windows: [{ visibilityState: "hidden" }, { visibilityState: "visible" }] });
  await looking.push(REPLY);
  assert.deepEqual(looking.shown, []);
  const worker = start();
  await worker.send("push", { data: null });
  assert.deepEqual(worker.shown, []);
});

test("a click opens the conversation: in the window that there is, else in a new one", async () => {
  const click = { notification: { close() {}, data: { conversation_id: "c", request_id: "r" } } };
  const messages = [];
  const window = { focused: false, postMessage: (message) => messages.push({ ...message }), focus: async () => messages.push("focus") };
  await start({ windows: [window] }).send("notificationclick", click);
  assert.deepEqual(messages, [{ type: "open", hash: "#/c/c/r" }, "focus"]);
  const none = start();
  await none.send("notificationclick", click);
  assert.deepEqual(none.opened, ["/#/c/c/r"]);
});
