// What is written and not saved, kept in the browser: it survives a reload, a closed tab and a lost network, and goes
// when its user signs out.

const PAUSE_MS = 250;

/** A draft under a name of its own. `drafts` is the store of chat/drafts.js. */
export function newKept(drafts, name) {
  const key = `studio ${name}`;
  let timer = 0;
  let waiting = null;

  function flush() {
    clearTimeout(timer);
    if (!waiting) return;
    const { value } = waiting;
    waiting = null;
    drafts.set(key, value === null ? "" : JSON.stringify(value));
  }

  addEventListener("pagehide", flush);
  return {
    get() {
      if (waiting) return waiting.value;
      try {
        return JSON.parse(drafts.get(key) || "null");
      } catch {
        return null;
      }
    },
    /** Not at every key: a long text is slow to store. */
    set(value) {
      waiting = { value };
      clearTimeout(timer);
      timer = setTimeout(flush, PAUSE_MS);
    },
    clear() {
      waiting = { value: null };
      flush();
    },
    flush,
    end() {
      flush();
      removeEventListener("pagehide", flush);
    },
  };
}
