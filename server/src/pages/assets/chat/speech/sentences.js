// The sentences of the reply that is spoken, as far as they are known: for the mark in its text, and to know what of them
// stays where the text changes.

import { pause } from "./clips.js";

const WAIT_S = 20;
const PATIENCE_MS = 30_000;
const MAX_FAILURES = 4;
const BACKOFF_MS = 2_000;

/** `call` is the API's; `onSentences()` hears of more of them. */
export function newSentences({ call, onSentences, wait = pause }) {
  let known = [];
  let controller = null;

  async function follow(id, signal) {
    for (let failures = 0; failures <= MAX_FAILURES && !signal.aborted;) {
      const path = `/requests/${id}/sentences?wait=${WAIT_S}&after=${known.length}`;
      const answer = await call("GET", path, { patience: PATIENCE_MS }).catch(() => null);
      if (signal.aborted) return;
      if (answer) {
        known = answer.sentences;
        onSentences();
        if (answer.whole) return;
        failures = 0;
      } else await wait(BACKOFF_MS * 2 ** failures++, signal);
    }
  }

  function stop() {
    controller?.abort();
    known = [];
  }

  return {
    all: () => known,
    /** Follows those of a reply from the first of them on. */
    follow(id) {
      stop();
      controller = new AbortController();
      follow(id, controller.signal);
    },
    stop,
  };
}
