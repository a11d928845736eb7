// The rows of a conversation: what they are, and how they look.

import { el, paintAvatar, setText } from "../lib/dom.js";
import { isFinal, turnsOf } from "./replies.js";
import { sentence } from "../lib/text.js";

export const failure = (reply) => sentence(reply.error?.detail ?? "the reply could not be written");

/** What stands under a reply that is not simply whole, or in place of one that has no text yet. */
function noteOf(reply) {
  if (reply.status === "failed") return failure(reply);
  if (reply.status === "cancelled") return "Stopped.";
  if (reply.incomplete) return { length: "The reply was too long.", filtered: "The rest was withheld." }[reply.incomplete] ?? "The reply was cut off.";
  if (isFinal(reply) || reply.text) return "";
  if (reply.attempt > 1) return `Trying again, attempt ${reply.attempt}`;
  return reply.status === "queued" ? "Waiting" : "Thinking";
}

/** What stands in a conversation, from the top: days, questions, replies, and what is not sent yet. */
export function rowsOf(state, id) {
  const rows = [];
  let lastDay = "";
  const day = (at) => {
    const text = at && dayOf(new Date(at));
    if (text && text !== lastDay) rows.push({ key: `day ${(lastDay = text)} ${rows.length && rows[rows.length - 1].key}`, kind: "day", text });
  };
  for (const { id: request, ask, reply } of turnsOf(state, id)) {
    day((ask ?? reply.message)?.created_at);
    if (ask) rows.push({ key: `ask ${request}`, kind: "ask", text: ask.content, at: ask.created_at });
    if (reply) rows.push({ key: `reply ${request}`, kind: "reply", reply, text: reply.text, at: reply.message?.created_at, ask });
  }
  for (const item of state.outbox) {
    if (item.conversation_id !== id || item.request_id) continue;
    day(item.at);
    rows.push({ key: `out ${item.key}`, kind: "ask", text: item.content, at: item.at, item });
  }
  return rows;
}

function dayOf(date) {
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(date).setHours(0, 0, 0, 0)) / 86_400_000);
  if (days < 2) return days < 1 ? "Today" : "Yesterday";
  const year = date.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  return date.toLocaleDateString(undefined, { weekday: "long", day: "numeric", month: "long", year });
}

export function makeRow({ kind }) {
  if (kind === "day") return el("p", { className: "day" });
  const body = el("div", { className: "body" },
    el("span", { className: "unseen" }), el("div", { className: "text", dir: "auto" }), el("p", { className: "note" }));
  if (kind === "ask") return el("article", { className: "row ask" }, body);
  return el("article", { className: "row reply" }, el("span", { className: "avatar small", ariaHidden: "true" }), body);
}

/** Makes the element of a row show it; `actions` gives the buttons beside what is said of it. */
export function updateRow(node, row, persona, actions) {
  if (row.kind === "day") return setText(node, row.text);
  const { reply, item } = row;
  const [speaker, text, note] = node.querySelector(".body").children;
  setText(speaker, reply ? `${persona?.name ?? "Reply"}:` : "You:");
  setText(text, row.text);
  text.title = row.at ? new Date(row.at).toLocaleString() : "";
  text.hidden = !row.text;
  node.classList.toggle("writing", Boolean(reply && !isFinal(reply)));
  node.classList.toggle("failed", Boolean(item?.failed ?? reply?.error));
  node.classList.toggle("pending", Boolean(item && !item.failed));
  if (reply) paintAvatar(node.firstChild, persona?.name, persona?.slug);
  const says = reply ? noteOf(reply) : item?.failed ? `Not sent. ${item.failed}` : "";
  note.hidden = !says;
  if (note.says === says) return;
  note.says = says;
  note.replaceChildren(el("span", { textContent: says }), ...actions(row));
}
