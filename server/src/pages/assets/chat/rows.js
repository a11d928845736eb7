// The rows of a conversation, from the top: days, questions, replies, and what is not sent yet. Nothing in this file
// touches the page.

import { formatDay } from "../lib/i18n.js";
import { isFinal } from "./replies.js";
import { placeOf, turnsIn } from "./thread.js";

/** Turns that wait behind the reply which is being written: they are shown in the queue, not in the thread. */
export function waitingTurns(turns, replies) {
  const open = turns.filter(({ id }) => replies.get(id) && !isFinal(replies.get(id)) && !replies.get(id).unsure);
  return new Set(open.slice(1).filter(({ id }) => replies.get(id).status === "queued").map(({ id }) => id));
}

/** `outbox` are the items of this conversation that no event has shown yet. */
export function rowsOf(thread, replies, outbox = [], { language = "" } = {}) {
  const rows = [];
  let lastDay = "";
  // Named by the row below it: what is read in above it may begin a day earlier.
  const day = (at, next) => {
    const text = at && formatDayOnce(at, language);
    if (text && text !== lastDay) rows.push({ key: `day ${next} ${text}`, kind: "day", text: lastDay = text });
  };
  const all = thread ? turnsIn(thread) : [];
  const waiting = waitingTurns(all, replies);
  const replaced = outbox.find(({ replaces }) => thread?.turns.has(replaces));
  // What follows a question that is being asked anew is on its way out.
  const turns = replaced ? all.slice(0, all.findIndex(({ id }) => id === replaced.replaces)) : all;
  const shown = turns.filter(({ id }) => !waiting.has(id));
  shown.forEach((turn, at) => {
    const reply = replies.get(turn.id);
    const place = placeOf(turn);
    const isLast = at === shown.length - 1;
    day((turn.ask ?? reply?.message)?.created_at, place);
    if (turn.ask) rows.push({ key: `ask ${place}`, kind: "ask", turn, text: turn.ask.content, at: turn.ask.created_at, isLast });
    if (reply) rows.push({ key: `reply ${place}`, kind: "reply", turn, reply, text: reply.text, at: reply.message?.created_at, isLast });
  });
  const isBusy = shown.some(({ id }) => replies.get(id) && !isFinal(replies.get(id)));
  for (const item of outbox) {
    // Behind a reply that runs, it shows in the queue, like those that have arrived.
    if (isBusy && !item.failed && !item.replaces) continue;
    day(item.at, item.key);
    rows.push({ key: `out ${item.key}`, kind: "out", text: item.content, at: item.at, item });
  }
  return rows;
}

/** Formatting is slow, and a conversation has many messages of a day. */
const days = new Map();
function formatDayOnce(at, language) {
  const date = new Date(at);
  const key = `${language} ${date.toDateString()} ${new Date().toDateString()}`;
  if (!days.has(key)) days.set(key, formatDay(date));
  return days.get(key);
}

const LETTERS_A_LINE = 78;
const LINE_PX = 26;

/** About how high a row is, before it has been in the page. */
export function estimateHeight({ kind, text = "" }) {
  if (kind === "day") return 52;
  const lines = Math.ceil(text.length / LETTERS_A_LINE) + Math.min(200, text.split("\n", 200).length - 1) * 0.6;
  return Math.max(1, lines) * LINE_PX + (kind === "reply" ? 66 : 84);
}
