// Conversations and replies as they are known in this tab: from lists, events, snapshots and answers, in whatever order
// they come. Nothing in this file touches the page.

import { Problem } from "../lib/api.js";
import { applyDetails, applyEvent, applyHello, applyMessage, applyRequest, isFinal, newReply } from "./replies.js";
import { dropTurn, isAtEnd, newThread, takeAround, takeBeside, takeLatest, takeMessage, takeNewer, takeOlder, turnsIn } from "./thread.js";

const PAGE = 50;
const MAX_THREADS = 8;
/** A reply that nothing was heard of for so long is asked for. */
const SILENCE_MS = 30_000;
const MAX_ASKED = 20;

/**
 * `call` is the API's. `onChange(what)` hears "turns" (others, or other questions), "text" (a reply that runs) or "end"
 * (with the reply), always with the id of the conversation; `onGone(id)` that a conversation is no more.
 */
export function newStore({ call, onChange, onMessage = () => {}, onGone }) {
  let replies = new Map();
  /** The least recently opened first. */
  const threads = new Map();
  const heardAt = new Map();
  const reading = new Map();
  /** Requests that were made in this tab. */
  const own = new Set();
  /** Conversations whose path is being chosen here: their news are no news. */
  const choosing = new Set();
  let newest = null;

  function change(id, conversationId, how) {
    const before = replies.get(id);
    const after = how(before ?? newReply(id, conversationId));
    if (after === before || (!before && after.cursor[0] + after.cursor[1] === 0 && !after.status)) return;
    replies.set(id, after);
    const hasEnded = before && !isFinal(before) && isFinal(after);
    // Nobody sees it: it is read with its conversation.
    if (isFinal(after) && !threads.has(conversationId)) replies.delete(id);
    onChange(hasEnded ? "end" : before?.status === after.status && !isFinal(after) ? "text" : "turns", conversationId, after);
  }

  /** Takes in a stored message from an event or an answer. */
  function take(message) {
    if (!newest || Date.parse(message.created_at) >= Date.parse(newest.created_at)) newest = message;
    const { request_id: id, conversation_id } = message;
    const thread = threads.get(conversation_id);
    if (message.role === "assistant") change(id, conversation_id, (reply) => applyMessage(reply, message));
    else onMessage(message);
    if (thread && !takeMessage(thread, message)) readLatest(conversation_id).catch(ignoreProblems);
    onChange("turns", conversation_id);
  }

  function hear(frame) {
    if (frame.type === "hello") return greet(frame);
    if (frame.type === "conversation.updated") return hearUpdate(frame.conversation, frame.queue);
    if (frame.type === "conversation.deleted") return gone(frame.conversation_id);
    const { request_id: id, conversation_id: conversation, message } = frame;
    if (!id || !conversation) return undefined;
    if (message?.role === "user") take(message);
    heardAt.set(id, Date.now());
    change(id, conversation, (reply) => applyEvent(reply, frame));
    const thread = threads.get(conversation);
    if (thread && message?.role === "assistant") takeMessage(thread, message);
    return undefined;
  }

  function greet(hello) {
    replies = applyHello(replies, hello);
    (hello.completed ?? []).forEach(take);
    for (const id of threads.keys()) onChange("turns", id);
  }

  function hearUpdate({ id, branch }, queue) {
    const thread = threads.get(id);
    if (!thread || choosing.has(id) || (!queue && (branch === undefined || branch === thread.branch))) return;
    // What is being read for the first time may be older than this: it is read once more, and not forgotten meanwhile.
    if (!thread.isRead) thread.isBehind = true;
    else if (isAtEnd(thread)) readLatest(id).catch(ignoreProblems);
    else if (branch !== thread.branch) forget(id);
    if (queue) onChange("queue", id);
  }

  function gone(id) {
    forget(id);
    onGone(id);
  }

  async function readPage(id, query) {
    try {
      return await call("GET", `/conversations/${id}/messages?limit=${PAGE}${query}`);
    } catch (problem) {
      if (problem.status === 404 && !query) gone(id);
      throw problem;
    }
  }

  function takeReplies(page) {
    for (const message of page.items) {
      if (!newest || Date.parse(message.created_at) >= Date.parse(newest.created_at)) newest = message;
      if (message.role === "user") onMessage(message);
      else change(message.request_id, message.conversation_id, (reply) => applyMessage(reply, message));
    }
  }

  /** Reads one page of a kind at a time; who asks meanwhile gets the same. */
  function once(kind, id, read) {
    const key = `${kind} ${id}`;
    if (!reading.has(key)) reading.set(key, read().finally(() => reading.delete(key)));
    return reading.get(key);
  }

  function threadOf(id) {
    const thread = threads.get(id) ?? newThread(id);
    threads.delete(id);
    threads.set(id, thread);
    for (const other of [...threads.keys()].slice(0, -MAX_THREADS)) forget(other);
    return thread;
  }

  async function readLatest(id) {
    const thread = threadOf(id);
    const { revision } = thread;
    thread.isBehind = false;
    const page = await readPage(id, "");
    if (threads.get(id) !== thread) return undefined;
    takeReplies(page);
    takeLatest(thread, page, revision);
    if (thread.isBehind) return readLatest(id);
    onChange("turns", id);
    settle(id);
    return undefined;
  }

  const readMore = (kind, take, queryOf) => (id) => once(kind, id, async () => {
    const thread = threads.get(id);
    const query = thread && queryOf(thread);
    if (!query) return;
    const page = await readPage(id, query);
    if (threads.get(id) !== thread || queryOf(thread) !== query) return;
    takeReplies(page);
    take(thread, page);
    onChange("turns", id);
  });

  const readOlder = readMore("older", takeOlder, ({ next }) => next && `&after=${encodeURIComponent(next)}`);
  const readNewer = readMore("newer", takeNewer, ({ newer }) => newer && `&before=${encodeURIComponent(newer)}`);

  /** Reads the part of the path around a turn. `isAnew`: also where it is shown, because another path was chosen. */
  async function readAround(id, requestId, isAnew = false) {
    const thread = threadOf(id);
    if (thread.turns.has(requestId) && !isAnew) return;
    const page = await readPage(id, `&around=${encodeURIComponent(requestId)}`);
    if (threads.get(id) !== thread) return;
    takeReplies(page);
    takeAround(thread, page);
    onChange("turns", id);
    settle(id);
  }

  /** Chooses the path through a turn, and reads what is around it. Returns the conversation. */
  async function choose(id, through) {
    choosing.add(id);
    try {
      const chosen = await call("PUT", `/conversations/${id}/path`, { body: { through } });
      await readAround(id, through, true);
      Object.assign(threads.get(id) ?? {}, { branch: chosen.branch });
      return chosen;
    } finally {
      choosing.delete(id);
    }
  }

  function forget(id) {
    threads.delete(id);
    for (const [key, reply] of replies) if (reply.conversation_id === id && isFinal(reply)) replies.delete(key);
  }

  /** Asks how the replies stand that no event, snapshot or list has told of, or not for a while. */
  async function settle(id) {
    const thread = threads.get(id);
    if (!thread) return;
    for (const { id: request } of turnsIn(thread).reverse().filter(isOpen).slice(0, MAX_ASKED)) {
      heardAt.set(request, Date.now());
      const found = await call("GET", `/requests/${request}`).catch((problem) => problem);
      if (found.status === 404) {
        // Withdrawn, or deleted with its conversation, in another tab.
        replies.delete(request);
        dropTurn(thread, request);
        onChange("turns", id);
      } else if (!(found instanceof Problem)) hearRequest(found);
    }
  }

  function isOpen({ id, ask }) {
    const reply = replies.get(id);
    const isSilent = Date.now() - (heardAt.get(id) ?? 0) > SILENCE_MS;
    return reply ? !isFinal(reply) && (reply.unsure || isSilent) : Boolean(ask) && isSilent;
  }

  /** Takes in a request as the API shows it. */
  function hearRequest(request) {
    change(request.id, request.conversation_id, (reply) => applyRequest(reply, request));
    if (request.reply) {
      const thread = threads.get(request.conversation_id);
      if (thread) takeMessage(thread, request.reply);
    }
  }

  return {
    hear, hearRequest, take, forget, settle, readLatest, readOlder, readNewer, readAround, choose,
    /** The answer to a message that was sent: at the end, or beside another turn. */
    takeSent({ request, message }, besideId = null, sameQuestion = false) {
      const thread = threads.get(message.conversation_id);
      heardAt.set(request.id, Date.now());
      own.add(request.id);
      const isShown = besideId && thread && takeBeside(thread, message, besideId, sameQuestion);
      if (!isShown) take(message);
      hearRequest(request);
      onChange("turns", message.conversation_id);
    },
    /** What the request tells of a reply that was read from a list. */
    amend: (request) => change(request.id, request.conversation_id, (reply) => applyDetails(reply, request)),
    /** A conversation that was just made has no messages. */
    begin: (id) => Object.assign(threadOf(id), { isRead: true }),
    drop(id, requestId) {
      replies.delete(requestId);
      const thread = threads.get(id);
      if (thread) dropTurn(thread, requestId);
      onChange("turns", id);
    },
    thread: (id) => threads.get(id),
    reply: (id) => replies.get(id),
    isOwn: (id) => own.has(id),
    replies: () => replies,
    newest: () => newest,
    /** Requests that have not ended, those of one conversation first. */
    open: (first) => [...replies.values()].filter((reply) => !isFinal(reply))
      .map(({ id, conversation_id, cursor }) => ({ id, conversation_id, cursor: cursor.join("-") }))
      .sort((a, b) => (b.conversation_id === first) - (a.conversation_id === first) || (a.id < b.id ? -1 : 1)),
  };
}

function ignoreProblems(problem) {
  if (!(problem instanceof Problem)) throw problem;
}
