// How high a field is for its text, and how much of what a message may have is used.

import { t } from "../lib/i18n.js";

/** The server's own limit, unless its operator has set another; it has the last word. */
const MAX_BYTES = 32 * 1024;
const NEAR = 0.8;

const encoder = new TextEncoder();

/** What is around the field keeps its size while it is measured: else what scrolls beside it would move. */
export function fitHeight(input) {
  // What is hidden has no height: the style sheet's holds until it is shown.
  if (!input.offsetParent) {
    input.style.height = "";
    return;
  }
  const holder = input.parentElement;
  holder.style.minHeight = `${holder.offsetHeight}px`;
  input.style.height = "auto";
  input.style.height = `${input.scrollHeight + input.offsetHeight - input.clientHeight}px`;
  holder.style.minHeight = "";
}

/** `words` is "" while there is plenty of room. */
export function lengthOf(text) {
  // So many letters have this many bytes at the least: most drafts need no counting.
  if (text.length * 3 < MAX_BYTES * NEAR) return { isTooLong: false, words: "" };
  const bytes = encoder.encode(text.trim()).length;
  const count = Math.abs(Math.floor((MAX_BYTES - bytes) * (text.length / Math.max(1, bytes))));
  if (bytes > MAX_BYTES) return { isTooLong: true, words: t("chat.composer.too_long", { count }) };
  return { isTooLong: false, words: bytes > MAX_BYTES * NEAR ? t("chat.composer.left", { count }) : "" };
}

/** Enter that sends: not the one that chooses a word from an input method, nor the one for a new line. */
export const isSendKey = ({ key, shiftKey, isComposing, keyCode }) => key === "Enter" && !shiftKey && !isComposing && keyCode !== 229;
