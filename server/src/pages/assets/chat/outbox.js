// Messages on their way to the server: kept in the browser until each has arrived, sent one after the other, and each
// with an Idempotency-Key of its own, so that sending again is never sending twice.

import { Problem } from "../lib/api.js";
import { stored, store } from "../lib/storage.js";
import { OUTBOX } from "../lib/storage.js";

/** Servers forget keys; what is older is not sent again by itself. */
const KEY_LASTS_MS = 12 * 60 * 60_000;
const MAX_TRIES = 4;
const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 30_000;
const TRANSIENT = new Set([0, 408, 425, 429, 502, 503, 504]);

/** Whether the same message may arrive later. */
export const isTransient = ({ status, code }) => TRANSIENT.has(status) && code !== "budget_exhausted" && code !== "mail_not_configured";

export const pauseAfter = (tries, retryAfter = 0) =>
  Math.max(retryAfter * 1_000, Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.max(0, tries - 1)));

/** The message being sent that a stored one must be: its POST has landed, whatever became of the answer. */
export const sentAs = (items, message) =>
  items.find((item) => item.posted && !item.request_id && item.conversation_id === message.conversation_id
    && item.content === message.content && Date.parse(message.created_at) > item.after);

/**
 * The outbox of a user. An item is `{key, conversation_id, content, replaces?, at, after}`, and gains `failed` (why the
 * server refuses it), `waits` (why it could not be sent yet) and `request_id` (once a list or an event has shown it).
 * `send(item)` posts one; `onSent(answer, item)` and `onChange()` hear of it. `uncertain` is said of what is too old.
 */
export function newOutbox({ user, storage, send, onSent, onChange, uncertain = "" }) {
  const name = `${OUTBOX}.${user}`;
  let items = [];
  let isKept = true;
  let running = null;
  let timer = 0;

  function load() {
    const kept = stored(storage, name);
    if (!isKept || !Array.isArray(kept)) return;
    // What the server has shown to this tab is known to this tab alone.
    const known = new Map(items.map((item) => [item.key, item]));
    items = kept.map((item) => ({ ...item, request_id: known.get(item.key)?.request_id ?? item.request_id }));
  }

  function save() {
    store(storage, name, items.length ? items : null);
    isKept = (stored(storage, name)?.length ?? 0) === items.length;
    onChange();
  }

  /** Changes the list as it is in all tabs now. */
  function change(how) {
    load();
    items = how(items);
    save();
  }

  const update = (key, more) => change((list) => list.map((item) => (item.key === key ? { ...item, ...more } : item)));
  const remove = (key) => change((list) => list.filter((item) => item.key !== key));

  function flush() {
    clearTimeout(timer);
    running ??= exclusively(deliverAll).finally(() => (running = null));
    return running;
  }

  async function deliverAll() {
    for (;;) {
      load();
      const item = items.find(({ failed }) => !failed);
      if (!item) return;
      if (Date.now() - Date.parse(item.at) > KEY_LASTS_MS) update(item.key, { failed: uncertain });
      else if (!(await deliver(item))) return;
    }
  }

  /** Whether the next one may follow. */
  async function deliver(item) {
    update(item.key, { posted: true });
    try {
      const answer = await send(item);
      remove(item.key);
      onSent(answer, item);
      return true;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      return refused(item, problem);
    }
  }

  function refused(item, problem) {
    const tries = (item.tries ?? 0) + 1;
    const current = items.find(({ key }) => key === item.key);
    // It was taken back meanwhile, or has arrived although the answer says otherwise.
    if (!current || current.request_id) return remove(item.key), true;
    // Signed out: it waits for its author.
    if (problem.status === 401) return false;
    const mayCome = isTransient(problem) || (problem.status === 500 && tries < MAX_TRIES);
    update(item.key, mayCome ? { waits: problem.message, tries } : { failed: problem.message, waits: null, posted: false });
    if (mayCome) timer = setTimeout(flush, pauseAfter(tries, problem.retryAfter));
    return !mayCome;
  }

  load();
  return {
    items: () => items,
    add(item) {
      change((list) => [...list, item]);
      flush();
    },
    /** Sends again what was refused. It keeps its key: whatever has become of it, it arrives once. */
    retry(key, now = new Date().toISOString()) {
      update(key, { failed: null, waits: null, tries: 0, at: now });
      flush();
    },
    remove, flush,
    /** A list or an event has shown the message of an item; it is hidden until its answer comes, or gone if that failed. */
    claim(message) {
      const item = sentAs(items, message);
      if (!item) return;
      if (item.failed) remove(item.key);
      else item.request_id = message.request_id;
    },
    /** Another tab has changed it. */
    reload() {
      load();
      onChange();
    },
    storageName: name,
    clear() {
      items = [];
      store(storage, name, null);
    },
  };
}

/** One tab at a time, where browsers have locks (only over https, and on this machine). */
const exclusively = (action) =>
  globalThis.navigator?.locks ? navigator.locks.request(OUTBOX, action) : action();
