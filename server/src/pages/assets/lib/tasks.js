// Work in several tasks, so that none of them holds the page up.

/** Resolves in a task of its own: what the browser has to do goes before. */
export const nextTask = () => new Promise((resolve) => setTimeout(resolve));

/** Runs something when the page has nothing else to do. */
export const whenIdle = (run) => (globalThis.requestIdleCallback ?? setTimeout)(run);
