// How an answer and what is typed become one: saved by itself after a pause, never over what was written elsewhere, kept
// in the browser until the server has it. Nothing in this file touches the page.

import { Problem } from "../lib/api.js";

const PAUSE_MS = 1_200;
const RETRY_MS = 5_000;
const OUTDATED = 412;

/**
 * The answer to one question. `api` has `read()` and `write(content, status, version)`, `kept` is that of kept.js;
 * `onState(state)` hears `{name, …}`: `idle`, `local` (an answer that counts is changed, and not saved), `waiting`,
 * `saving`, `saved`, `failed` with its `problem`, and `conflict` with `theirs`.
 */
export function newAnswerSync({ api, kept, onState, now = Date.now, later = setTimeout, cancel = clearTimeout }) {
  /** What the server has, as far as it is known: `{version, content, status}`, or null. */
  let base = null;
  let text = "";
  let timer = 0;
  let running = null;
  let theirs = null;
  let ended = false;
  let openedAt = now();

  const isDirty = () => text !== (base?.content ?? "");
  const isFinal = () => base?.status === "final";

  function begin(response) {
    base = response;
    theirs = null;
    openedAt = now();
    const draft = kept.get();
    text = base?.content ?? "";
    if (!draft || draft.text === text) return settle("idle");
    text = draft.text;
    if ((draft.version ?? null) !== (base?.version ?? null) && base) return clash(base);
    if (isFinal()) return onState({ name: "local" });
    schedule();
    return onState({ name: "waiting" });
  }

  function settle(name) {
    kept.clear();
    onState({ name });
  }

  function clash(other) {
    theirs = other;
    cancel(timer);
    onState({ name: "conflict", theirs });
  }

  function type(next) {
    text = next;
    if (theirs) return keep();
    if (!isDirty()) return settle("idle");
    keep();
    if (isFinal()) return onState({ name: "local" });
    schedule();
    return onState({ name: "waiting" });
  }

  const keep = () => kept.set({ text, version: base?.version ?? null });

  function schedule(pause = PAUSE_MS) {
    cancel(timer);
    // What an editor that is closed could not send waits in the browser for the next.
    if (!ended) timer = later(() => save("draft"), pause);
  }

  /** Sends what there is. One call at a time; what is typed meanwhile goes with the next. */
  async function save(status = base?.status ?? "draft") {
    cancel(timer);
    if (theirs || !text.trim() || (!isDirty() && status === base?.status)) return;
    if (running) {
      await running;
      return save(status);
    }
    running = send(text, status);
    await running;
  }

  async function send(content, status) {
    onState({ name: "saving" });
    try {
      const before = base;
      const written = await api.write(content, status, base?.version);
      base = written;
      running = null;
      if (!before && written.version > 1 && (await wasAnsweredMeanwhile())) return;
      if (isDirty()) {
        keep();
        onState({ name: "waiting" });
        schedule();
      } else settle("saved");
    } catch (problem) {
      running = null;
      if (!(problem instanceof Problem)) throw problem;
      if (problem.status === OUTDATED) return await learn();
      onState({ name: "failed", problem });
      if (problem.status === 0 || problem.status >= 500) schedule(RETRY_MS);
    }
  }

  /** Another tab or device was faster with the first answer: it is in the history, under ours. */
  async function wasAnsweredMeanwhile() {
    const { history = [] } = (await api.read().catch(() => null)) ?? {};
    const [other] = history;
    if (!other || other.content === text || Date.parse(other.written_at) < openedAt) return false;
    keep();
    clash({ ...other, version: base.version });
    return true;
  }

  async function learn() {
    try {
      const other = await api.read();
      base = other;
      if (other?.content === text) return settle("saved");
      clash(other ?? { content: "", status: "draft" });
    } catch (problem) {
      onState({ name: "failed", problem });
    }
  }

  return {
    begin, type, save,
    text: () => text,
    base: () => base,
    isDirty,
    /** Of two texts that were written at once, this one is it. The other stays in the history. */
    async resolve(content, status = base?.status ?? "draft") {
      theirs = null;
      text = content;
      if (!isDirty()) return settle("saved");
      keep();
      await save(status);
    },
    /** At once: the network is back, or the page is left. */
    flush: () => (isDirty() && !isFinal() && !theirs ? save("draft") : undefined),
    end() {
      ended = true;
      cancel(timer);
    },
  };
}
