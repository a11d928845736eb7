// The conversation that is open: joins what is known of it (store.js) with the rows, the composer and the queue.

import { call, newKey } from "../lib/api.js";
import { $, attempt, setText, speak } from "../lib/dom.js";
import { language, onLanguageChange, t } from "../lib/i18n.js";
import { whenIdle } from "../lib/tasks.js";
import { titleOf } from "../lib/text.js";
import { readVoices } from "../lib/voices.js";
import { newActions } from "./actions.js";
import { askRow, outRow } from "./ask_row.js";
import { newBeginning } from "./beginning.js";
import { newComposer } from "./composer.js";
import { dictationOnDemand } from "./dictation/on_demand.js";
import { newFeedback } from "./feedback.js";
import { showPlace } from "./head.js";
import { newQueue } from "./queue.js";
import { isFinal, toStop } from "./replies.js";
import { failure, replyRow } from "./reply_row.js";
import { estimateHeight, rowsOf, waitingTurns } from "./rows.js";
import { isAtEnd, lastTurn, placeOf, turnsIn } from "./thread.js";
import { newThreadView } from "./thread_view.js";
import { translationsOnDemand } from "./translation/on_demand.js";

const SETTLE_EVERY_MS = 15_000;
const HOME = { name: "home" };

/**
 * Starts the conversation for a user, on what background.js knows. `conversations` and `personas` are the stores of
 * side/; `go(hash)` leads to another address without a step in the history.
 */
export function startChat({ user, background, conversations, personas, go }) {
  let place = HOME;
  let rows = [];
  let isStale = true;
  let frame = 0;
  /** speech/speech.js, where there are voices. */
  let speech = null;
  const { store, outbox, drafts } = background;
  const feedback = newFeedback({ listed: (id) => store.reply(id)?.rating, onChange: (request) => touchTurn(request) });
  const translations = translationsOnDemand({ user, onChange: touchTurn, onLoaded: touchAll });
  const composer = newComposer({
    form: $("composer"), input: $("draft"), send: $("send"), counter: $("counter"), drafts,
    onSubmit: submit, onGrow: () => view.schedule(), onLast: () => act.editLast(),
  });
  const beginning = newBeginning();
  const dictation = dictationOnDemand({
    button: $("dictate"), form: $("composer"), composer,
    language: () => (place.name === "new" ? beginning.language() : conversations.get(place.id)?.language) ?? language(),
    onBegin: () => speech?.interrupt(),
    // What has begun meanwhile was not spoken: it would have been heard as dictated.
    onEnd: () => speech && tellSpeech(),
  });
  const queue = newQueue({
    root: $("queue"), drafts, onMessage: store.take, onLearned: () => changed("turns", place.id), onRescued: composer.insert,
    onWithdrawn(id, content) {
      store.drop(place.id, id);
      composer.insert(content);
      speak(t("chat.queue.withdrawn"));
    },
  });
  const page = {
    conversationId: () => place.id,
    persona: personaNow,
    put: conversations.put,
    post,
    showTurn: touchTurn,
    withdraw: queue.withdraw,
    listen(request) {
      dictation.stop();
      speech?.toggle(request);
    },
    saveSound: (request) => speech?.save(request),
    hasVoices: () => speech !== null,
  };
  const act = newActions({ store, outbox, drafts, feedback, translations, composer, page });
  const makers = { day: dayRow, ask: askRow, reply: replyRow, out: outRow };
  const view = newThreadView({
    scroll: $("scroll"), root: $("thread"), estimate: estimateHeight,
    make: (row) => makers[row.kind]({ act, context }),
    onNear: (end) => place.name === "chat" && attempt(() => (end === "older" ? store.readOlder : store.readNewer)(place.id)),
    onStick: () => showLatest(),
    hasEnd: () => !store.thread(place.id)?.isRead || isAtEnd(store.thread(place.id)),
  });

  // ── What is open

  function personaNow() {
    if (place.name === "chat") return conversations.get(place.id)?.persona;
    return place.name === "new" ? personas.get(place.slug) : undefined;
  }

  /** With what the persona says of itself, where it is shown to the user still. */
  async function wholePersona() {
    const { slug, name } = personaNow();
    const found = await personas.meet(slug).catch(() => null);
    return found ?? { slug, name };
  }

  const context = (id) => ({
    persona: personaNow(), rating: feedback.of(id), editing: act.isEditing(id),
    waiting: queue.of(id)?.waiting, canChange: queue.of(id)?.can_change,
    voice: speech?.stateOf(id), translations: translations.get(),
  });

  function show(next) {
    const isOther = next.name !== place.name || next.id !== place.id || next.slug !== place.slug;
    const wasElsewhere = place.request && !next.request;
    place = next;
    if (!isOther && wasElsewhere) view.toEnd();
    if (isOther) {
      speech?.stop();
      dictation.drop();
      view.reset({ atEnd: !place.request });
      composer.show(place.id ?? place.slug ?? null);
      composer.focus();
    }
    changed("turns", place.id);
    if (place.name === "chat") attempt(() => open(place.id, place.request));
  }

  async function open(id, request) {
    if (!request) return store.readLatest(id);
    await readTurn(id, request);
    const turn = place.id === id && store.thread(id)?.turns.get(request);
    if (!turn) return undefined;
    renderNow();
    if (!view.toRow(`ask ${placeOf(turn)}`)) view.toRow(`reply ${placeOf(turn)}`);
    return undefined;
  }

  /** Reads around a turn; where it is on another branch, as what a search has found may be, that one is chosen. */
  async function readTurn(id, request) {
    try {
      await store.readAround(id, request);
      if (store.thread(id)?.turns.has(request)) return;
    } catch (problem) {
      if (problem.status !== 404) throw problem;
    }
    try {
      conversations.put(await store.choose(id, request));
    } catch (problem) {
      if (problem.status !== 404) throw problem;
      // The turn is gone, and maybe its conversation: reading that tells.
      if (place.id === id) go(`#/c/${id}`);
      await store.readLatest(id);
      throw problem;
    }
  }

  /** The conversation that is open is no more. */
  function left(id) {
    if (place.id === id) go("#/");
  }

  // ── What changes

  function changed(what, id, reply) {
    if (what === "end") ended(id, reply);
    if (what === "queue" && id === place.id) queue.read();
    if (reply) speech?.take(reply);
    if (id !== place.id && what !== "outbox") return;
    if (speech && what !== "text") tellSpeech(reply);
    if (what === "text" && touchReply(reply)) return;
    isStale = true;
    frame ||= requestAnimationFrame(render);
  }

  function ended(id, reply) {
    if (id !== place.id) return;
    if (reply.status === "completed" && speech?.isAudible(reply.id)) return;
    const name = personaNow()?.name ?? t("chat.reply");
    speak(reply.status === "failed" ? t("chat.no_reply", { why: failure(reply) }) : t("chat.spoken", { name, text: reply.text }));
  }

  /** What has begun is spoken; what is on the path no more falls silent. */
  function tellSpeech(reply) {
    const thread = store.thread(place.id);
    if (!thread) return;
    if (speech.id() && !thread.turns.has(speech.id())) speech.stop();
    if (dictation.isOn()) return;
    const last = store.reply(lastTurn(thread)?.id);
    for (const each of [reply, last]) if (each && thread.turns.has(each.id)) speech.offer(each);
  }

  async function startVoices() {
    const { items } = await readVoices();
    const loaded = items.length > 0 && globalThis.AudioContext && (await import("./speech/speech.js").catch(() => null));
    if (!loaded) return;
    speech = loaded.startSpeech({
      button: $("voice"), root: $("thread"), replyOf: store.reply, isOwn: store.isOwn, onChange: touchTurn,
      isLast: (request) => lastTurn(store.thread(place.id))?.id === request,
      textOf: (request) => view.node(rows.find(({ kind, turn }) => kind === "reply" && turn.id === request)?.key)?.querySelector(".text"),
    });
    touchAll();
    changed("turns", place.id);
  }

  /** Most of the time only the newest reply grows: its row alone is touched. */
  function touchReply(reply) {
    for (let at = rows.length - 1; at >= 0 && at > rows.length - 8; at -= 1) {
      const row = rows[at];
      if (row.kind !== "reply" || row.turn.id !== reply.id) continue;
      Object.assign(row, { reply, text: reply.text });
      view.touch(row.key);
      return true;
    }
    return false;
  }

  function touchAll() {
    for (const { key } of rows) view.touch(key);
  }

  function touchTurn(id) {
    for (const { key, turn } of rows) if (turn?.id === id) view.touch(key);
  }

  const renderNow = () => {
    cancelAnimationFrame(frame);
    render();
  };

  function render() {
    frame = 0;
    showPlace(place, { persona: personaNow(), conversation: conversations.get(place.id) });
    $("voice").hidden = !speech || !personaNow();
    if (isStale) renderRows();
    isStale = false;
    showLatest();
  }

  function renderRows() {
    const thread = place.name === "chat" ? store.thread(place.id) : null;
    const items = place.id ? outbox.items().filter((item) => item.conversation_id === place.id && !item.request_id) : [];
    rows = thread || items.length ? rowsOf(thread, store.replies(), items, { language: language() }) : [];
    view.setRows(rows);
    renderQueue(thread, items);
    const running = toStop(store.replies(), place.id);
    $("stop").hidden = place.name !== "chat" || !running;
    $("thread").ariaBusy = String(Boolean(running));
  }

  function renderQueue(thread, items) {
    const turns = thread ? turnsIn(thread) : [];
    const waiting = waitingTurns(turns, store.replies());
    const isQueued = turns.some(({ id }) => store.reply(id)?.status === "queued");
    const shown = new Set(rows.filter(({ kind }) => kind === "out").map(({ item }) => item.key));
    queue.watch(place.id, isQueued);
    queue.show(turns.filter(({ id }) => waiting.has(id)), items.filter(({ key }) => !shown.has(key)));
  }

  function showLatest() {
    const thread = store.thread(place.id);
    const isAway = place.name === "chat" && (!view.isStuck() || (thread?.isRead && !isAtEnd(thread)));
    $("latest").hidden = !isAway;
    const last = thread && lastTurn(thread);
    const isWriting = last && store.reply(last.id) && !isFinal(store.reply(last.id));
    setText($("latest").lastElementChild, t(isWriting ? "chat.latest_writing" : "chat.latest"));
  }

  async function toLatest() {
    const thread = store.thread(place.id);
    if (thread && !isAtEnd(thread)) {
      await attempt(() => store.readLatest(place.id));
      if (place.request) go(`#/c/${place.id}`);
      renderNow();
    }
    view.toEnd();
  }

  // ── Sending

  function post(content, replaces) {
    const thread = store.thread(place.id);
    const times = thread ? turnsIn(thread).map(({ ask }) => Date.parse(ask?.created_at) || 0) : [];
    const after = Math.max(0, ...times);
    const item = { key: newKey(), conversation_id: place.id, content, at: new Date().toISOString(), after, ...(replaces && { replaces }) };
    if (thread && !isAtEnd(thread) && !replaces) attempt(() => store.readLatest(item.conversation_id));
    outbox.add(item);
    if (!replaces) view.toEnd();
  }

  /** Returns whether the text has been taken over. */
  async function submit(content) {
    const { id, slug } = place;
    dictation.drop();
    await speech?.interrupt();
    // Gone elsewhere meanwhile: it stays a draft.
    if (place.id !== id || place.slug !== slug) return false;
    if (place.name === "chat") {
      post(content);
      return true;
    }
    const body = { persona: slug, title: titleOf(content), ...beginning.body() };
    const created = await attempt(() => call("POST", "/conversations", { body, key: newKey() }));
    if (!created) return false;
    beginning.reset();
    conversations.put(created);
    store.begin(created.id);
    drafts.set(slug, "");
    // Somebody who has gone elsewhere meanwhile is not led away from there.
    if (place.slug === slug) {
      place = { name: "chat", id: created.id };
      go(`#/c/${created.id}`);
      view.reset();
      composer.show(created.id);
    }
    outbox.add({ key: newKey(), conversation_id: created.id, content, at: new Date().toISOString(), after: 0 });
    return true;
  }

  $("latest").onclick = toLatest;
  $("stop").onclick = () => {
    speech?.stop();
    act.stop(toStop(store.replies(), place.id));
  };
  $("draft").addEventListener("input", () => {
    dictation.drop();
    speech?.interrupt();
  });
  $("memories").onclick = async () => {
    const loaded = await import("./memories.js").catch(() => null);
    if (loaded && personaNow()) loaded.openMemories(await wholePersona());
  };
  conversations.onChange(() => changed("turns", place.id));
  personas.onChange(() => changed("turns", place.id));
  onLanguageChange(() => {
    view.reset();
    changed("turns", place.id);
  });
  setInterval(() => place.name === "chat" && !document.hidden && store.settle(place.id), SETTLE_EVERY_MS);
  background.attach({ changed, left });
  whenIdle(startVoices);

  return {
    show,
    /** Reads what is open anew: after a hello, and where no frame tells of changes. */
    async read() {
      const thread = store.thread(place.id);
      if (place.name === "chat" && (!thread?.isRead || isAtEnd(thread))) await store.readLatest(place.id);
    },
  };
}

function dayRow() {
  const node = Object.assign(document.createElement("p"), { className: "day" });
  return { node, update: ({ text }) => setText(node, text) };
}
