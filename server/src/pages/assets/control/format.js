// Numbers and times as operators read them.

import { formatNumber, formatRelative, formatSeconds, t } from "../lib/i18n.js";

const inUnit = (number, unit, digits = 0) =>
  formatNumber(number, { style: "unit", unit, unitDisplay: "narrow", maximumFractionDigits: digits });

/** What is not known, in a table. */
export const NONE = "–";

/** A length of time: "420 ms", "1.2 s", "3 min". */
export function formatMs(ms) {
  if (ms === null || ms === undefined) return NONE;
  if (ms < 1_000) return inUnit(Math.round(ms), "millisecond");
  if (ms < 60_000) return inUnit(ms / 1_000, "second", ms < 10_000 ? 1 : 0);
  return formatSeconds(ms / 1_000);
}

/** A number of a rate, with as many digits as a change of it is seen by. */
export function formatRate(number) {
  const digits = number < 10 ? 1 : 0;
  return formatNumber(number, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export const formatShare = (share) => formatNumber(share, { style: "percent", maximumFractionDigits: share < 0.1 ? 1 : 0 });

/** Money, in the currency of the prices, which nobody has told us. */
export const formatMoney = (amount) => formatNumber(amount, { minimumFractionDigits: 2, maximumFractionDigits: amount < 1 ? 6 : 2 });

export const formatCount = (number) => formatNumber(
  number, { notation: number < 100_000 ? "standard" : "compact", maximumFractionDigits: 1 },
);

const BYTES = ["byte", "kilobyte", "megabyte", "gigabyte"];

export function formatBytes(bytes) {
  const step = Math.min(BYTES.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return inUnit(bytes / 1024 ** step, BYTES[step], step && bytes / 1024 ** step < 10 ? 1 : 0);
}

export const formatAgo = (time) => (time ? formatRelative(time) : NONE);

/** How long it is since a time, without "ago". */
export const formatSince = (time) => (time ? formatMs(Math.max(0, Date.now() - Date.parse(time))) : NONE);

/** The end of an id: the beginning of those that are made by the clock is the same for all of an hour. */
export const shortId = (id) => (id.length > 12 ? `…${id.slice(-8)}` : id);

/** Tokens, as an estimate. */
export const formatTokens = ({ prompt_tokens: prompt, completion_tokens: completion }) =>
  t("control.tokens_about", { tokens: formatCount(roughly(prompt + completion)) });

/** Two digits are as much as an estimate knows. */
export function roughly(number) {
  if (number < 100) return number;
  const unit = 10 ** (Math.floor(Math.log10(number)) - 1);
  return Math.round(number / unit) * unit;
}
