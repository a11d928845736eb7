// Notifications of finished replies: one subscription for each device, kept at the server.

import { call } from "../lib/api.js";
import { language, t } from "../lib/i18n.js";

const SETTINGS = "troupe-settings";

export const isSupported = () =>
  "serviceWorker" in navigator && "PushManager" in globalThis && "Notification" in globalThis;

const currentSubscription = async () => (await navigator.serviceWorker.ready).pushManager.getSubscription();

/** `unsupported`, `denied`, `on` or `off`. */
export async function pushState() {
  if (!isSupported() || !(await navigator.serviceWorker.getRegistration())) return "unsupported";
  if (Notification.permission === "denied") return "denied";
  return Notification.permission === "granted" && (await currentSubscription()) ? "on" : "off";
}

/** Asks for permission and subscribes this device. Only to be called in answer to a click. Returns the state after it. */
export async function turnOn() {
  if (!isSupported()) return "unsupported";
  const permission = await Notification.requestPermission();
  if (permission !== "granted") return permission === "denied" ? "denied" : "off";
  const { public_key: key } = await call("GET", "/push/key");
  await keep(await subscribe(key));
  return "on";
}

/** Takes the subscription of this device back: at the server where it can be reached, and in any case here. */
export async function turnOff() {
  if (!isSupported() || !(await navigator.serviceWorker.getRegistration())) return;
  const subscription = await currentSubscription();
  if (!subscription) return;
  await call("DELETE", "/push/subscriptions", { body: { endpoint: subscription.endpoint } }).catch(() => {});
  await subscription.unsubscribe();
}

/**
 * Ends the subscription of this device where nobody is signed in any more: it was somebody's. The server, which does not
 * take calls then, learns it from the push service, which answers for it that it is gone.
 */
export async function forgetPush() {
  if (!isSupported() || !(await navigator.serviceWorker.getRegistration())) return;
  await (await currentSubscription())?.unsubscribe();
}

/** Tells the server of the subscription again: its language, or the browser's keys, may have changed. */
export async function refreshPush() {
  if ((await pushState()) === "on") await keep(await currentSubscription());
}

async function subscribe(key) {
  const { pushManager } = await navigator.serviceWorker.ready;
  const applicationServerKey = bytesOf(key);
  const before = await pushManager.getSubscription();
  if (before && isSameKey(before.options.applicationServerKey, applicationServerKey)) return before;
  // The server has other keys now; what was subscribed with the old ones hears nothing.
  await before?.unsubscribe();
  return pushManager.subscribe({ userVisibleOnly: true, applicationServerKey });
}

async function keep(subscription) {
  const { endpoint, keys } = subscription.toJSON();
  await keepSettings();
  await call("PUT", "/push/subscriptions", { body: { endpoint, keys, language: language() } });
}

/** Texts for the worker, which has neither catalogues nor localStorage. */
async function keepSettings() {
  const texts = { ready: t("common.push.ready"), failed: t("common.push.failed"), failed_about: t("common.push.failed_about") };
  const settings = { language: language(), texts };
  await (await caches.open(SETTINGS)).put("/push-settings", Response.json(settings));
}

/** The bytes of base64url. */
export function bytesOf(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

const isSameKey = (buffer, key) => {
  const bytes = new Uint8Array(buffer ?? 0);
  return bytes.length === key.length && bytes.every((byte, at) => byte === key[at]);
};
