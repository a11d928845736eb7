// Speech that becomes text in the composer, by the browser's own recognition. Nothing in this file touches the page.
//
// A *run* is one time of listening; what comes late for a run that is over is dropped.

import { inserted, joined } from "./insert.js";

/** By the errors of the Web Speech API: what is said of them. */
const FAILURES = {
  "not-allowed": "refused", "audio-capture": "no_microphone", "no-speech": "silence", network: "network",
  "language-not-supported": "language",
};

/** All that was understood in this run: browsers may still change the last of it. */
const textOf = (results) => Array.from(results, (result) => result[0]?.transcript.trim() ?? "").reduce(joined, "");

/**
 * `newRecognition()` makes a `SpeechRecognition`; `composer` has `written()` and `write(text, caret)`. `onStatus(status)`
 * hears "starting", "listening", "finishing" (nothing is recorded any more) or "off"; `onFailure(why)` why there is no text.
 */
export function newDictation({ newRecognition, composer, onStatus, onFailure }) {
  let run = null;

  const status = () => run?.status ?? "off";
  const isOn = () => status() === "starting" || status() === "listening";

  function become(next) {
    run.status = next;
    onStatus(next);
  }

  function end(own, failure) {
    if (own !== run) return;
    run = null;
    onStatus("off");
    if (failure) onFailure(failure);
  }

  function start(language) {
    drop();
    const { text, caret } = composer.written();
    const recognition = newRecognition();
    const own = { recognition, before: text.slice(0, caret), after: text.slice(caret), text, hasHeard: false };
    run = own;
    Object.assign(recognition, {
      lang: language, interimResults: true,
      onstart: () => own === run && own.status === "starting" && become("listening"),
      onresult: ({ results }) => take(own, results),
      onerror: ({ error }) => end(own, failureOf(own, error)),
      onend: () => end(own, failureOf(own, own.status === "starting" ? "service-not-allowed" : "no-speech")),
    });
    become("starting");
    try {
      recognition.start();
    } catch {
      end(own, "unavailable");
    }
  }

  function failureOf({ hasHeard, status: was }, error) {
    if (error === "aborted" || (error === "no-speech" && (hasHeard || was === "finishing"))) return null;
    return FAILURES[error] ?? "unavailable";
  }

  function take(own, results) {
    if (own !== run) return;
    // Written by somebody else meanwhile: it is theirs.
    if (composer.written().text !== own.text) return drop();
    const said = textOf(results);
    const { text, caret } = inserted(own.before, said, own.after);
    composer.write(text, caret);
    own.text = composer.written().text;
    own.hasHeard ||= said !== "";
  }

  /** Nothing is recorded any more; what was said is still understood to its end. */
  function stop() {
    if (status() === "starting") return drop();
    if (status() !== "listening") return;
    become("finishing");
    run.recognition.stop();
  }

  /** Ends it at once: what is written stays as it is. */
  function drop() {
    if (!run) return;
    const { recognition } = run;
    end(run);
    recognition.abort();
  }

  return { isOn, stop, drop, toggle: (language) => (isOn() ? stop() : start(language)) };
}
