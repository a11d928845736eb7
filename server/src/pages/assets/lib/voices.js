// The voices that replies can be spoken with. Where none are set up, the page says nothing of speech.

import { call } from "./api.js";

const NONE = { items: [], default: null };
let asked = null;

/** `{items, default}`: asked for once. Without an answer there are none, until it is asked again. */
export function readVoices() {
  asked ??= call("GET", "/voices").catch(() => {
    asked = null;
    return NONE;
  });
  return asked;
}
