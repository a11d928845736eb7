// How the connection stands, in words: for eyes, and for screen readers when it changes.

import { formatNumber, t } from "./i18n.js";

/** The words for a status of `keepConnected`. */
export function statusText(status, now = Date.now(), online = navigator.onLine) {
  if (status.name === "live") return t(status.over === "http" ? "common.connection.http" : "common.connection.live");
  if (status.name === "stopped") return t("common.connection.stopped", { why: status.why });
  if (status.name === "connecting") return t("common.connection.connecting");
  if (!online) return t("common.connection.offline");
  if (!status.until) return t("common.connection.unreachable");
  return t("common.connection.waiting", { seconds: formatNumber(Math.max(1, Math.ceil((status.until - now) / 1_000))) });
}

/** Shows statuses in `label`, counting down, and `retry` where a try helps; `speak` says what is lost and found. */
export function connectionStatus({ label, retry, speak }) {
  let countdown = 0;
  let lost = false;
  let status = { name: "connecting" };
  const show = () => (label.textContent = statusText(status));
  return (next) => {
    if (status.name === "live" && next.name === "waiting") {
      lost = true;
      speak(t("common.connection.lost"));
    }
    if (lost && next.name === "live") {
      lost = false;
      speak(t("common.connection.found"));
    }
    status = next;
    clearInterval(countdown);
    if (next.name === "waiting") countdown = setInterval(show, 500);
    label.className = `live is-${next.name}`;
    retry.hidden = next.name !== "waiting" && next.name !== "stopped";
    show();
  };
}
