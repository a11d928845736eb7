// One conversation as it is shown: a stretch of its chosen path, read page by page. Nothing in this file touches the page.
//
// A conversation is a tree, and the path through it is chosen on the server. The path to a turn is always the same, so a
// page that has a turn in common with what is shown goes on with it; what stood behind that turn and is not on the page
// is on another branch, or gone.

/** `next` and `newer`: where the pages before and behind it begin, null at the ends. */
export const newThread = (id) => ({ id, branch: null, next: null, newer: null, isRead: false, revision: 0, turns: new Map() });

const byTurn = (a, b) => a.turn - b.turn || (a.id < b.id ? -1 : 1);

/** The turns in the order of the path: `{id, turn, branch, ask}`, `ask` null where only the reply is read yet. */
export const turnsIn = (thread) => [...thread.turns.values()].sort(byTurn);

export const lastTurn = (thread) => turnsIn(thread).at(-1) ?? null;

export const isAtEnd = (thread) => thread.isRead && thread.newer === null;

function put(thread, message) {
  const { request_id: id, turn, branch } = message;
  const known = thread.turns.get(id) ?? { id, ask: null, since: thread.revision };
  thread.turns.set(id, { ...known, turn, branch, ask: message.role === "user" ? message : known.ask });
}

/** Takes the newest page. `revision` is the thread's when it was asked for: what was sent since is not on it. */
export function takeLatest(thread, page, revision) {
  const onPage = new Set(page.items.map(({ request_id }) => request_id));
  const oldest = page.items.at(-1);
  const joins = isAtEnd(thread) && page.next !== null && thread.turns.has(oldest?.request_id);
  for (const { id, turn, since } of thread.turns.values()) {
    const isKept = onPage.has(id) || since > revision || (joins && turn < oldest.turn);
    if (!isKept) thread.turns.delete(id);
  }
  page.items.forEach((message) => put(thread, message));
  Object.assign(thread, { isRead: true, newer: null, next: joins ? thread.next : page.next ?? null });
  thread.branch = lastTurn(thread)?.branch ?? thread.branch ?? 0;
}

export function takeOlder(thread, page) {
  page.items.forEach((message) => put(thread, message));
  thread.next = page.next ?? null;
}

export function takeNewer(thread, page) {
  page.items.forEach((message) => put(thread, message));
  thread.newer = page.newer ?? null;
  if (thread.newer === null) thread.branch = lastTurn(thread)?.branch ?? thread.branch;
}

/** Takes a page around a turn, in place of what was shown. */
export function takeAround(thread, page) {
  thread.turns.clear();
  page.items.forEach((message) => put(thread, message));
  Object.assign(thread, { isRead: true, next: page.next ?? null, newer: page.newer ?? null });
  if (thread.newer === null) thread.branch = lastTurn(thread)?.branch ?? 0;
}

/** Takes a message as it is stored. Returns false where it is on a branch that is not shown, so that reading it anew is due. */
export function takeMessage(thread, message) {
  // The list that is being read may be older than this message.
  if (!thread.isRead) {
    thread.isBehind = true;
    return true;
  }
  if (thread.turns.has(message.request_id)) {
    put(thread, message.variants ? message : { ...message, variants: thread.turns.get(message.request_id).ask?.variants });
    return true;
  }
  // Read later, with the pages up to it.
  if (!isAtEnd(thread)) return true;
  if (message.branch !== thread.branch && thread.turns.size > 0) return false;
  thread.revision += 1;
  put(thread, message);
  thread.branch = message.branch;
  return true;
}

/** Shows a turn of one's own beside another at once: what followed that one is on the branch that was left. */
export function takeBeside(thread, message, besideId, sameQuestion) {
  const beside = thread.turns.get(besideId);
  if (!thread.isRead || !beside) return false;
  const before = beside.ask?.variants ?? [{ request_id: besideId, question_of: besideId }];
  const { question_of: question } = before.find(({ request_id }) => request_id === besideId) ?? before[0];
  const own = { request_id: message.request_id, question_of: sameQuestion ? question : message.request_id };
  const variants = before.some(({ request_id }) => request_id === own.request_id) ? before : [...before, own];
  for (const { id, turn } of turnsIn(thread)) if (turn >= beside.turn) thread.turns.delete(id);
  thread.revision += 1;
  put(thread, { ...message, variants });
  Object.assign(thread, { newer: null, branch: message.branch });
  return true;
}

export function dropTurn(thread, id) {
  thread.turns.delete(id);
}

/** The turns that stand in the place of this one, as versions of its reply and of its question; `at` counts from 0. */
export function versionsOf({ id, ask }) {
  const variants = ask?.variants ?? [];
  const own = variants.find(({ request_id }) => request_id === id);
  const none = { at: 0, ids: [id] };
  if (!own) return { reply: none, question: none };
  const replies = variants.filter(({ question_of }) => question_of === own.question_of).map(({ request_id }) => request_id);
  const questions = [...new Set(variants.map(({ question_of }) => question_of))];
  // To another question by the newest of its turns.
  const newestOf = (question) => variants.findLast(({ question_of }) => question_of === question).request_id;
  return {
    reply: { at: replies.indexOf(id), ids: replies },
    question: { at: questions.indexOf(own.question_of), ids: questions.map(newestOf) },
  };
}

/** What stays the same when another version takes the place of a turn. */
export const placeOf = ({ id, ask }) => ask?.variants?.[0]?.request_id ?? id;
