// Why a message waits, in the words of whoever waits.

import { formatSeconds, t } from "../lib/i18n.js";

/** `waiting` is as `GET …/queue` gives it. */
export function waitingText({ reason, ahead, position, eta_seconds: eta, until }, now = Date.now()) {
  if (reason === "conversation") return t("chat.waiting.conversation", { count: ahead ?? 1 });
  if (reason === "retry") {
    const seconds = until ? Math.max(1, Math.round((Date.parse(until) - now) / 1_000)) : null;
    return seconds ? t("chat.waiting.retry_in", { time: formatSeconds(seconds) }) : t("chat.waiting.retry");
  }
  if (reason !== "queue") return t(reason === "limit" ? "chat.waiting.limit" : "chat.waiting.here");
  const before = position === undefined || position === null ? null : Math.max(0, position - 1);
  const place = before ? t("chat.waiting.queue", { count: before }) : t(before === 0 ? "chat.waiting.next" : "chat.waiting.here");
  return eta ? t("chat.waiting.about", { place, time: formatSeconds(eta) }) : place;
}
