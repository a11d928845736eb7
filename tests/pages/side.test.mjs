// The side: which conversations are known, how they stand in the list, and which personas a search finds.

import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./modules.mjs";
import { addAllTexts } from "./texts.mjs";

const { belongs, newConversations } = await load("side/conversations.js");
const { groupRows } = await load("side/groups.js");
const { rowsOf } = await load("side/list.js");
const { matchingTitles } = await load("side/search.js");
const { commonTags, matching, newPersonas } = await load("side/personas.js");
await addAllTexts("en");

const NOW = new Date(2026, 10, 27, 12).getTime();
const ALL = { name: "all" };
const daysBefore = (days) => new Date(NOW - days * 86_400_000).toISOString();
const conversation = (id, days = 0, more = {}) =>
  ({ id, title: id, persona: { slug: "ada", name: "Ada" }, created_at: daysBefore(days + 1), last_message_at: daysBefore(days), ...more });

/** A server with these answers by address. */
const answering = (answers, calls = []) => async (_method, path) => {
  calls.push(path);
  const answer = answers[path];
  if (answer === undefined) throw Object.assign(new Error(path), { status: 404 });
  return answer;
};

async function listOf(...items) {
  const conversations = newConversations(answering({ "/conversations?limit=30": { items } }));
  await conversations.read(ALL);
  return conversations;
}

const ids = (conversations, view = ALL) => conversations.list(view).map(({ id }) => id);

test("conversations stand by their last message, under the day of it, pinned ones above all", async () => {
  const conversations = await listOf(
    conversation("a"), conversation("b", 1), conversation("c", 5), conversation("d", 40), conversation("e", 90, { pinned_at: daysBefore(2) }),
  );
  const rows = groupRows(conversations.list(ALL), NOW).map(({ group, conversation: shown }) => group ?? shown.id);
  assert.deepEqual(rows, ["pinned", "e", "today", "a", "yesterday", "b", "week", "c", "older", "d"]);
});

test("what is in a folder, in the archive or temporary is not among the others", async () => {
  const inFolder = conversation("a", 0, { folder: "Work" });
  const conversations = await listOf(inFolder, conversation("b"), conversation("c", 0, { temporary: true }));
  const rows = rowsOf(conversations, ALL, NOW).filter(({ kind }) => kind === "conversation");
  assert.deepEqual(rows.map(({ key }) => key), ["b"]);
  assert.deepEqual(ids(conversations, { name: "folder", folder: "Work" }), ["a"]);
  assert.ok(!belongs({ ...inFolder, archived_at: NOW }, { name: "folder", folder: "Work" }));
  assert.ok(belongs({ archived_at: NOW }, { name: "archived" }));
});

test("conversations show how their personas are called and look by now", async () => {
  const conversations = await listOf(conversation("a"), conversation("b", 1, { persona: { slug: "bo", name: "Bo", avatar_url: null } }));
  const bo = { slug: "bo", name: "Bo", avatar_url: "/bo.png", description: "A dog." };
  conversations.followPersonas((slug) => (slug === "bo" ? bo : undefined));
  assert.deepEqual(conversations.get("b").persona, { slug: "bo", name: "Bo", avatar_url: "/bo.png" });
  assert.deepEqual(conversations.get("a").persona, { slug: "ada", name: "Ada" });
});

test("a message moves its conversation up, and a reply elsewhere is unread until it is opened", async () => {
  const conversations = await listOf(conversation("a", 1), conversation("b", 2));
  const frame = { conversation_id: "b", request_id: "r" };
  conversations.show("a");
  conversations.hear({ ...frame, type: "request.queued", message: { created_at: daysBefore(0) } });
  assert.deepEqual(ids(conversations), ["b", "a"]);
  assert.ok(conversations.isBusy("b") && !conversations.isUnread("b"));
  conversations.hear({ ...frame, type: "reply.completed" });
  assert.ok(!conversations.isBusy("b") && conversations.isUnread("b"));
  conversations.hear({ conversation_id: "a", request_id: "s", type: "reply.completed" });
  assert.ok(!conversations.isUnread("a"), "it is open");
  conversations.show("b");
  assert.deepEqual(conversations.unread(), []);
});

test("a hello says what runs, and what was completed meanwhile", async () => {
  const conversations = await listOf(conversation("a"), conversation("b"));
  conversations.hear({ conversation_id: "a", request_id: "r", type: "request.started" });
  conversations.hear({ type: "hello", active: [], completed: [{ role: "assistant", conversation_id: "b" }] });
  assert.ok(!conversations.isBusy("a") && conversations.isUnread("b"));
});

test("what was changed or deleted elsewhere is so here", async () => {
  const conversations = await listOf(conversation("a"), conversation("b"));
  conversations.hear({ type: "conversation.updated", conversation: { ...conversation("a"), title: "Else" } });
  assert.equal(conversations.get("a").title, "Else");
  conversations.hear({ type: "conversation.deleted", conversation_id: "a" });
  assert.deepEqual(ids(conversations), ["b"]);
  assert.equal(await conversations.find("a"), null, "it is not asked for again");
});

test("pieces of text change nothing in the list", async () => {
  const conversations = await listOf(conversation("a"));
  const frame = { conversation_id: "a", request_id: "r", type: "reply.delta" };
  conversations.hear(frame);
  let changes = 0;
  conversations.onChange(() => (changes += 1));
  conversations.hear(frame);
  assert.equal(changes, 0);
});

test("what a first page does not list between its ends is read again: it was moved, or is gone", async () => {
  const first = [conversation("a"), conversation("b", 1), conversation("moved", 2), conversation("c", 4)];
  const answers = { "/conversations?limit=30": { items: first, next: "x" } };
  const conversations = newConversations(answering(answers));
  await conversations.read(ALL);
  answers["/conversations?limit=30"] = { items: [conversation("a"), conversation("d", 3)], next: "y" };
  answers["/conversations/moved"] = conversation("moved", 2, { archived_at: daysBefore(0) });
  await conversations.read(ALL);
  await new Promise(setImmediate);
  assert.deepEqual(ids(conversations), ["a", "d", "c"]);
  assert.deepEqual(ids(conversations, { name: "archived" }), ["moved"]);
});

test("pages follow each other, and a conversation in no list is read once", async () => {
  const calls = [];
  const conversations = newConversations(answering({
    "/conversations?limit=30": { items: [conversation("a")], next: "n/1" },
    "/conversations?limit=30&after=n%2F1": { items: [conversation("b", 3)] },
    "/conversations/z": conversation("z", 9),
  }, calls));
  assert.equal(conversations.hasMore(ALL), undefined);
  await conversations.read(ALL);
  assert.ok(conversations.hasMore(ALL));
  await conversations.read(ALL, true);
  assert.ok(!conversations.hasMore(ALL));
  assert.deepEqual(ids(conversations), ["a", "b"]);
  await Promise.all([conversations.find("z"), conversations.find("z")]);
  assert.equal(calls.filter((path) => path === "/conversations/z").length, 1);
  assert.equal(await conversations.find("nowhere"), null);
});

test("titles are found among what is loaded", () => {
  const all = [conversation("Sea"), conversation("Land"), { ...conversation("x"), title: null }];
  assert.deepEqual(matchingTitles(all, "sEa").map(({ id }) => id), ["Sea"]);
});

test("personas are found by every word, without accents, and by their tags", () => {
  const zoe = { slug: "zoe", name: "Zoë", description: "Sings fado", languages: ["pt", "en"] };
  const max = { slug: "max", name: "Max", description: "Sails", languages: ["en"], category: "Travel" };
  assert.deepEqual(matching([zoe, max], "zoe SINGS"), [zoe]);
  assert.deepEqual(matching([zoe, max], "", new Set(["en", "Travel"])), [max]);
  assert.deepEqual(matching([zoe, max], "nobody"), []);
  assert.deepEqual(commonTags([zoe, max]), ["en", "pt", "Travel"]);
});

test("a persona that is shared by its address is asked for once, and one that is none is remembered", async () => {
  const calls = [];
  const personas = newPersonas(answering({ "/personas/ada": { slug: "ada" } }, calls));
  assert.equal((await personas.meet("ada")).slug, "ada");
  assert.equal(personas.get("ada").slug, "ada");
  assert.equal(await personas.meet("none"), null);
  assert.equal(await personas.meet("none"), null);
  assert.equal(calls.length, 2);
});

test("a persona that was made here comes first, one that was changed stays in its place, one that was deleted is gone", async () => {
  const personas = newPersonas(answering({ "/personas?limit=100": { items: [{ slug: "ada", name: "Ada" }, { slug: "bea", name: "Bea" }] } }));
  await personas.readMore();
  personas.put({ slug: "cleo", name: "Cleo" });
  personas.put({ slug: "ada", name: "Ada the Second" });
  assert.deepEqual(personas.list().map(({ name }) => name), ["Cleo", "Ada the Second", "Bea"]);
  personas.remove("cleo");
  assert.equal(personas.get("cleo"), undefined);
  assert.equal(personas.list().length, 2);
});
