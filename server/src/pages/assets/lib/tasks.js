// Work in several tasks, so that none of them holds the page up.

/** Resolves in a task of its own: what the browser has to do goes before. */
export const nextTask = () => new Promise((resolve) => setTimeout(resolve));

/** Runs something when the page has nothing else to do. */
export const whenIdle = (run) => (globalThis.requestIdleCallback ?? setTimeout)(run);

const GESTURES = ["pointermove", "pointerdown", "touchstart", "wheel", "keydown"];

/** Runs something when somebody first does something with the page: what is seen at first needs none of it. */
export function whenUsed(run) {
  const listening = new AbortController();
  const begin = () => {
    listening.abort();
    whenIdle(run);
  };
  const options = { capture: true, passive: true, signal: listening.signal };
  for (const gesture of GESTURES) addEventListener(gesture, begin, options);
}
