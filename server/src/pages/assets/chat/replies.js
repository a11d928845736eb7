// Replies, as they are known here. Nothing in this file touches the page.
//
// Events, snapshots, lists and answers come in any order and more than once. So each reply is kept by its request's id,
// apart from whatever brought it, and only ever moves forward: an older cursor changes nothing, and an end is the end.

import { keepCodePoints } from "../lib/text.js";

export function parseCursor(text) {
  const parts = /^(\d+)-(\d+)$/.exec(text ?? "");
  return parts && [Number(parts[1]), Number(parts[2])];
}

export const isAfter = ([attempt, n], [otherAttempt, otherN]) =>
  attempt > otherAttempt || (attempt === otherAttempt && n > otherN);

export const isFinal = ({ status }) => status === "completed" || status === "failed" || status === "cancelled";

/** `unsure`: the server does not list it as running any more, and how it ended is not known yet. */
export const newReply = (id, conversation_id) => ({
  id, conversation_id, status: "queued", attempt: 0, cursor: [0, 0], text: "", message: null, incomplete: null, error: null,
  retrieval: null, rating: null, unsure: false,
});

const ended = (reply, status, { message = null, incomplete = null, error = null, retrieval = null }) => ({
  ...reply, status, message, incomplete, error, retrieval, unsure: false,
  text: message?.content ?? (status === "failed" ? reply.text : ""),
});

/** What an event makes of a reply. The very same reply comes back when the event is no news. */
export function applyEvent(reply, event) {
  const cursor = parseCursor(event.cursor);
  if (!cursor || isFinal(reply) || !isAfter(cursor, reply.cursor)) return reply;
  const next = { ...reply, cursor, attempt: cursor[0], unsure: false };
  switch (event.type) {
    case "request.queued": return next;
    case "request.started": return { ...next, status: "in_progress" };
    case "reply.delta": return { ...next, status: "in_progress", text: reply.text + event.text };
    case "reply.reset": return { ...next, status: "in_progress", text: keepCodePoints(reply.text, event.keep) };
    case "reply.completed": return ended(next, "completed", event);
    case "request.failed": return ended(next, "failed", event);
    case "request.cancelled": return ended(next, "cancelled", event);
    default: return reply;
  }
}

/** A snapshot replaces what is known, unless it is older. */
export function applySnapshot(reply, { status, cursor, text }) {
  const at = parseCursor(cursor) ?? [0, 0];
  if (isFinal(reply)) return reply;
  if (isAfter(reply.cursor, at)) return { ...reply, unsure: false };
  return { ...reply, status, text, cursor: at, attempt: at[0], unsure: false };
}

/** All replies after a hello: what runs is as it says; what does not run any more has ended somehow. */
export function applyHello(replies, { active = [] }) {
  const next = new Map();
  for (const [id, reply] of replies) next.set(id, isFinal(reply) ? reply : { ...reply, unsure: true });
  for (const snapshot of active) {
    const { request_id: id, conversation_id } = snapshot;
    next.set(id, applySnapshot(next.get(id) ?? newReply(id, conversation_id), snapshot));
  }
  return next;
}

/** The stored reply is the truth; in a list it tells how it ended, and how it was rated. */
export function applyMessage(reply, message) {
  const { status = "completed", incomplete = null, rating = null } = message.outcome ?? {};
  if (!isFinal(reply)) return { ...ended(reply, status, { message, incomplete }), rating };
  if (!message.outcome || (reply.status === status && reply.incomplete === incomplete && reply.rating === rating)) return reply;
  return { ...reply, status, incomplete, rating };
}

/** A request as the API shows it; it tells no cursor, so it only settles what is open. */
export function applyRequest(reply, request) {
  if (isFinal(reply)) return reply;
  if (isFinal(request)) return ended(reply, request.status, { ...request, message: request.reply });
  return { ...reply, status: reply.status === "queued" ? request.status : reply.status, unsure: false };
}

/** What only the request tells of a reply that has ended: its sources. */
export const applyDetails = (reply, { retrieval }) =>
  (!isFinal(reply) || reply.retrieval ? reply : { ...reply, retrieval });

/** The reply that a stop is meant for: of those in the conversation that have not ended, the one that is being written. */
export const toStop = (replies, id) =>
  [...replies.values()].filter((reply) => reply.conversation_id === id && !isFinal(reply) && !reply.unsure)
    .sort((a, b) => (b.status === "in_progress") - (a.status === "in_progress") || (a.id < b.id ? -1 : 1))[0];
