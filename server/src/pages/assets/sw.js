// The service worker: the shell of the page without a network, and notifications while nobody looks.
//
// It never touches /api. Navigation asks the network first, so that a reload has the newest version; assets have digest
// names, so the cache comes first. A new worker waits until a page asks it to take over (offline/updates.js).

// The build puts the list of assets and its digest in place of these. Without it (in development) assets are kept as
// they are fetched.
const ASSETS = "assets-of-the-build";
const VERSION = "version-of-the-build";

const BUILT = Array.isArray(ASSETS);
const CACHE = `troupe-${VERSION}`;
const SETTINGS = "troupe-settings";
const SHELL = "/";
/** A network that takes longer is treated as none. */
const NAVIGATION_MS = 4_000;

self.addEventListener("install", (event) => event.waitUntil(precache()));
self.addEventListener("activate", (event) => event.waitUntil(takeOver()));
self.addEventListener("message", ({ data }) => data === "activate" && self.skipWaiting());
self.addEventListener("fetch", (event) => {
  const answer = answerTo(event.request);
  if (answer) event.respondWith(answer);
});

async function precache() {
  const cache = await caches.open(CACHE);
  await cache.addAll([SHELL, ...(BUILT ? ASSETS : [])]);
}

/** Keeps the cache of the version before: tabs that were not reloaded may still ask for its modules. */
async function takeOver() {
  const versions = (await caches.keys()).filter((name) => name.startsWith("troupe-") && name !== SETTINGS && name !== CACHE);
  await Promise.all(versions.slice(0, -1).map((name) => caches.delete(name)));
  await self.clients.claim();
}

function answerTo(request) {
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== self.location.origin) return null;
  if (request.mode === "navigate") return pathname === SHELL ? navigate(request) : null;
  if (pathname.startsWith("/assets/")) return BUILT ? fromCache(request) : fromNetwork(request);
  return null;
}

async function navigate(request) {
  try {
    const response = await fetch(request, { signal: AbortSignal.timeout(NAVIGATION_MS) });
    if (response.status < 500) return response;
  } catch {
    // No network, or none worth the name.
  }
  return (await caches.match(SHELL, { cacheName: CACHE })) ?? Response.error();
}

const fromCache = async (request) => (await caches.match(request)) ?? fetch(request);

async function fromNetwork(request) {
  try {
    const response = await fetch(request);
    if (response.ok) await (await caches.open(CACHE)).put(request, response.clone());
    return response;
  } catch {
    return (await caches.match(request)) ?? Response.error();
  }
}

// ── Notifications ────────────────────────────────────────────────────────────────────────────────────────────────────

self.addEventListener("push", (event) => event.waitUntil(notify(event.data?.json() ?? {})));
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(openConversation(event.notification.data));
});
self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(subscribeAgain(event)));

const windows = () => self.clients.matchAll({ type: "window", includeUncontrolled: true });

/** Settings that push/push.js leaves for the worker, which has no localStorage. */
async function settings() {
  const kept = await caches.match("/push-settings", { cacheName: SETTINGS });
  return kept ? kept.json() : {};
}

async function notify({ type, conversation_id, request_id, persona, excerpt }) {
  if (!conversation_id || (await windows()).some(({ visibilityState }) => visibilityState === "visible")) return;
  const { language, texts } = await settings();
  const failed = type === "request.failed";
  const title = (failed ? texts?.failed : texts?.ready) ?? "{name}";
  await self.registration.showNotification(title.replace("{name}", persona ?? "Troupe"), {
    body: failed ? texts?.failed_about : excerpt,
    // A newer word of the same conversation takes the place of the older one.
    tag: conversation_id,
    lang: language,
    icon: "/assets/icon-192.png",
    data: { conversation_id, request_id },
  });
}

async function openConversation({ conversation_id, request_id }) {
  const hash = `#/c/${conversation_id}${request_id ? `/${request_id}` : ""}`;
  const open = await windows();
  const window = open.find(({ focused }) => focused) ?? open[0];
  if (!window) return self.clients.openWindow(`/${hash}`);
  window.postMessage({ type: "open", hash });
  return window.focus();
}

/** The browser's push service has taken the address of this device back, and may have given another. */
async function subscribeAgain({ oldSubscription, newSubscription }) {
  const subscription = newSubscription ?? (await self.registration.pushManager.subscribe(oldSubscription.options));
  const { language } = await settings();
  const send = (method, body) => fetch("/api/v1/push/subscriptions", {
    method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
  const { endpoint, keys } = subscription.toJSON();
  await send("PUT", { endpoint, keys, ...(language && { language }) });
  if (oldSubscription && oldSubscription.endpoint !== endpoint) await send("DELETE", { endpoint: oldSubscription.endpoint });
}
