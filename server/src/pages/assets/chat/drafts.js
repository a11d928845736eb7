// What is written and not sent, by conversation and by user, kept in the browser.

import { DRAFTS, store, stored } from "../lib/storage.js";

const LASTS_MS = 60 * 24 * 60 * 60_000;

/** The drafts of a user; a key is a conversation, a persona to begin with, or a question that is being edited. */
export function newDrafts({ user, storage, now = Date.now }) {
  const prefix = `${DRAFTS}.${user}.`;
  /** For a storage that is full or forbidden. */
  const unkept = new Map();

  const keys = () => Array.from({ length: storage.length }, (_, at) => storage.key(at)).filter((name) => name?.startsWith(prefix));

  for (const name of keys()) if (!(now() - stored(storage, name)?.at < LASTS_MS)) store(storage, name, null);

  return {
    get: (key) => unkept.get(key) ?? stored(storage, prefix + key)?.text ?? "",
    set(key, text) {
      store(storage, prefix + key, text ? { text, at: now() } : null);
      if (text && stored(storage, prefix + key)?.text !== text) unkept.set(key, text);
      else unkept.delete(key);
    },
    clear() {
      unkept.clear();
      keys().forEach((name) => store(storage, name, null));
    },
  };
}
