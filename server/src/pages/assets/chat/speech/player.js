// Speaks a reply, sentence by sentence and without gaps: each begins, on the clock of Web Audio, with the sample at which
// the one before it ends. Nothing in this file touches the page but through what it is given.
//
// One reply is spoken at a time. A *run* is one reply being spoken; what comes late for a run that is over is dropped.

/** Sentences that are fetched, or made ready, beyond the one that is spoken. */
const MAX_AHEAD = 2;
/** From the decoding of a first sentence to its sound: what is scheduled for a time that has passed would lose its beginning. */
const LEAD_S = 0.05;

/**
 * `clip(request, number, signal)` gives sound (clips.js), `newContext()` an `AudioContext`, `stretch(context, buffer,
 * speed)` a buffer at another speed. `onChange(state)` hears `{id, status, sentence, heard}`: `status` is "loading",
 * "playing", "ended", "failed" (with `problem`) or "stopped", `sentence` the one being spoken (null in a pause), `heard`
 * how many were heard in full.
 */
export function newPlayer({ clip, newContext, stretch, onChange }) {
  let context = null;
  let volume = null;
  let run = null;
  let speed = 1;
  let isMuted = false;

  /** Makes what sound comes out of. Browsers let it sound only if this happens in a gesture of the user. */
  function unlock() {
    if (!context) {
      context = newContext();
      volume = context.createGain();
      volume.gain.value = isMuted ? 0 : 1;
      volume.connect(context.destination);
    }
    if (context.state !== "running") context.resume?.().catch(() => {});
  }

  function report(status = run.hasBegun ? "playing" : "loading", more = {}) {
    const { id, heard, queue } = run;
    onChange({ id, status, sentence: status === "playing" ? queue[0]?.number ?? null : null, heard, ...more });
  }

  /** Speaks a reply from its beginning, and no other any more. */
  function play(id) {
    stop();
    unlock();
    run = { id, queue: [], next: 1, heard: 0, endsAt: 0, hasBegun: false, isWhole: false, problem: null, controller: null, wake: null };
    report();
    return fetchAll(run);
  }

  /** Fetches and schedules sentence after sentence, until the reply has no more or the signal of this fetching aborts. */
  async function fetchAll(own) {
    own.controller?.abort();
    own.controller = new AbortController();
    const { signal } = own.controller;
    try {
      while (await hasRoom(own, signal)) {
        const sound = await clip(own.id, own.next, signal);
        if (signal.aborted) return;
        if (!sound) break;
        const decoded = await context.decodeAudioData(sound);
        if (signal.aborted) return;
        schedule(own, { number: own.next, decoded });
        own.next += 1;
        if (own.queue.length === 1) report();
      }
    } catch (problem) {
      if (signal.aborted) return;
      own.problem = problem;
    }
    if (signal.aborted) return;
    own.isWhole = true;
    if (own.queue.length === 0) finish();
  }

  /** Waits until fewer sentences than may be are ahead. Returns false where the fetching is over. */
  async function hasRoom(own, signal) {
    while (own.queue.length > MAX_AHEAD && !signal.aborted) {
      await new Promise((resolve) => {
        own.wake = resolve;
        signal.addEventListener("abort", resolve, { once: true });
      });
    }
    return !signal.aborted;
  }

  function schedule(own, entry) {
    const source = context.createBufferSource();
    source.buffer = stretch(context, entry.decoded, speed);
    source.connect(volume);
    const at = Math.max(own.endsAt, context.currentTime + LEAD_S);
    source.onended = () => hasEnded(own, entry);
    source.start(at);
    own.endsAt = at + source.buffer.duration;
    own.hasBegun = true;
    own.queue.push(Object.assign(entry, { source, endsAt: own.endsAt }));
  }

  function unschedule({ source }) {
    source.onended = null;
    source.stop();
    source.disconnect();
  }

  function hasEnded(own, entry) {
    if (own !== run || own.queue[0] !== entry) return;
    own.queue.shift();
    own.heard = entry.number;
    own.wake?.();
    if (own.queue.length === 0 && own.isWhole) finish();
    else report();
  }

  function finish() {
    const { problem } = run;
    report(problem ? "failed" : "ended", problem ? { problem } : {});
    run = null;
  }

  /** Silence at once. Returns `{id, heard, hasBegun}` where something was being spoken, else null. */
  function stop() {
    if (!run) return null;
    const { id, heard, hasBegun, queue, controller } = run;
    controller.abort();
    queue.forEach(unschedule);
    report("stopped");
    run = null;
    return { id, heard, hasBegun };
  }

  /**
   * The reply has another text from this sentence on. What is being spoken of it goes on only if it stands before. Where all
   * of it is another, it begins anew.
   */
  function rewind(number) {
    // The sentence that is being fetched may be of the old text too.
    if (!run || number > run.next) return;
    const own = run;
    const dropped = own.queue.filter((entry) => entry.number >= number);
    own.queue = own.queue.filter((entry) => entry.number < number);
    dropped.forEach(unschedule);
    Object.assign(own, { next: number, heard: Math.min(own.heard, number - 1), isWhole: false, problem: null });
    own.endsAt = own.queue.at(-1)?.endsAt ?? 0;
    own.hasBegun &&= own.heard + own.queue.length > 0;
    report();
    fetchAll(own);
  }

  /** From the next sentence on: what was scheduled and has not begun is scheduled anew. */
  function setSpeed(next) {
    if (next === speed) return;
    speed = next;
    const later = run?.queue.slice(1) ?? [];
    if (later.length === 0) return;
    later.forEach(unschedule);
    run.queue.length = 1;
    run.endsAt = run.queue[0].endsAt;
    later.forEach(({ number, decoded }) => schedule(run, { number, decoded }));
  }

  return {
    unlock, play, stop, rewind, setSpeed,
    setMuted(next) {
      isMuted = next;
      if (volume) volume.gain.value = isMuted ? 0 : 1;
    },
    /** The reply that is being spoken, or is about to be. */
    id: () => run?.id ?? null,
  };
}
