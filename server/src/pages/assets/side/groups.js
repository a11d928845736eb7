// Groups of the conversation list: pinned ones, then by the day of the last message.

import { daysAgo } from "../lib/i18n.js";
import { activityOf } from "./conversations.js";

const AGES = [["today", 0], ["yesterday", 1], ["week", 7], ["older", Infinity]];

const groupOf = (conversation, now) => {
  if (conversation.pinned_at) return "pinned";
  const days = daysAgo(activityOf(conversation), now);
  return AGES.find(([, most]) => days <= most)[0];
};

export const conversationRow = (conversation) => ({ key: conversation.id, kind: "conversation", conversation });

/** Rows for a sorted list: a heading before each group, then its conversations. */
export function groupRows(conversations, now = Date.now()) {
  const groups = new Map([["pinned", []], ...AGES.map(([name]) => [name, []])]);
  for (const conversation of conversations) groups.get(groupOf(conversation, now)).push(conversation);
  groups.get("pinned").sort((a, b) => (a.pinned_at < b.pinned_at ? 1 : -1));
  return [...groups].filter(([, items]) => items.length).flatMap(([group, items]) => [
    { key: `group ${group}`, kind: "group", group },
    ...items.map(conversationRow),
  ]);
}
