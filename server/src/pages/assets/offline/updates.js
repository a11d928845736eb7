// The service worker's side of the page: registered after the first view, and asked to take over when the user says so.

import { toast } from "../lib/dom.js";
import { t } from "../lib/i18n.js";

const CHECK_MS = 60 * 60_000;

/** Registers the worker, and offers a new version where one is waiting. Never reloads by itself. */
export async function startOffline() {
  const container = navigator.serviceWorker;
  // Only over https, and on this machine.
  if (!container) return;
  container.addEventListener("message", ({ data }) => {
    if (data?.type === "open" && data.hash.startsWith("#/c/")) location.hash = data.hash;
  });
  const registration = await container.register("/sw.js").catch(() => null);
  if (!registration) return;
  if (registration.waiting && container.controller) offer(registration.waiting);
  registration.addEventListener("updatefound", () => watch(registration.installing));
  const check = () => document.hidden || registration.update().catch(() => {});
  setInterval(check, CHECK_MS);
  document.addEventListener("visibilitychange", check);
}

/** A worker that is installed while another one is in charge is a new version. */
function watch(worker) {
  worker?.addEventListener("statechange", () => {
    if (worker.state === "installed" && navigator.serviceWorker.controller) offer(worker);
  });
}

function offer(worker) {
  const reload = () => {
    navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
    worker.postMessage("activate");
  };
  toast(t("common.update.here"), { action: { text: t("common.update.reload"), run: reload }, lasting: true });
}
