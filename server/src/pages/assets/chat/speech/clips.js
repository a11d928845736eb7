// The sound of sentences, as the API gives it: also of a reply that is still being written, whose next sentence is waited
// for.

import { Problem } from "../../lib/api.js";

const WAIT_S = 20;
const MAX_FAILURES = 5;
const BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 8_000;
const NOT_YET = 202;
const NOTHING = 204;
/** Codes of a server that has asked all who could speak. */
const IS_MUTE = new Set(["speech_unavailable", "no_voice"]);
const TOO_EARLY = new Set([408, 425, 429]);

/** Resolves after some time, or at once when the signal aborts. */
export const pause = (ms, signal) => new Promise((resolve) => {
  if (signal?.aborted) return resolve();
  const timer = setTimeout(resolve, ms);
  return signal?.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
});

const afterMs = (response) => Math.max(1, Number(response.headers.get("Retry-After")) || 1) * 1_000;

/** Another server of the fleet, or this one in a moment, may have what this answer has not. */
const isTransient = (status, code) => status === 0 || TOO_EARLY.has(status) || (status >= 500 && !IS_MUTE.has(code));

/**
 * Returns `clip(request, number, signal)`: the sound of a sentence as an `ArrayBuffer`, or null where the reply has ended
 * before it; without a number that of the whole reply. What is not there yet is asked for again; what fails too often, or
 * for good, is a `Problem`.
 */
export function newClips({ fetch, wait = pause }) {
  async function ask(request, number, signal) {
    const path = `/api/v1/requests/${request}/speech${number ? `/${number}` : ""}?wait=${WAIT_S}`;
    // Asked again where it is cached: a reply that begins anew has other sentences by the same numbers.
    const response = await fetch(path, { headers: { Accept: "audio/wav" }, cache: "no-cache", signal });
    if (response.status === NOTHING) return { sound: null };
    if (response.status === NOT_YET) return { againAfter: afterMs(response) };
    if (response.ok) return { sound: await response.arrayBuffer() };
    const answer = await response.json().catch(() => ({}));
    const problem = new Problem({ ...answer, status: response.status });
    return { problem, againAfter: TOO_EARLY.has(response.status) ? afterMs(response) : 0 };
  }

  return async function clip(request, number, signal) {
    for (let failures = 0; ;) {
      const answer = await ask(request, number, signal).catch((error) => {
        if (signal?.aborted) throw error;
        return { problem: new Problem({ code: "speech_unavailable" }) };
      });
      const { sound, problem, againAfter } = answer;
      if (sound !== undefined) return sound;
      failures = problem ? failures + 1 : 0;
      if (problem && (failures > MAX_FAILURES || !isTransient(problem.status, problem.code))) throw problem;
      await wait(againAfter || Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** (failures - 1)), signal);
      signal?.throwIfAborted();
    }
  };
}
