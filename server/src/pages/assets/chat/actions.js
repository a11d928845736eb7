// What can be done with the turns of the conversation that is open.

import { Problem, call, newKey } from "../lib/api.js";
import { attempt, speak, toast } from "../lib/dom.js";
import { changeIcon } from "../lib/icons.js";
import { t } from "../lib/i18n.js";
import { openMenu } from "../lib/menu.js";
import { copyText } from "./clipboard.js";
import { isFinal } from "./replies.js";
import { isAtEnd, turnsIn } from "./thread.js";

const SHOWN_MS = 1_500;
const draftOf = (id) => `edit:${id}`;

/** `page` is what chat.js gives: the open conversation, its persona, and what shows changes. */
export function newActions({ store, outbox, drafts, feedback, translations, composer, page }) {
  const editing = new Set();
  /** Turns that another version was asked for, until the answer comes. */
  const asking = new Set();

  async function beside(turn, path, sameQuestion = true) {
    if (asking.has(turn.id)) return;
    asking.add(turn.id);
    const answer = await attempt(() => call("POST", `/requests/${turn.id}/${path}`, { body: {}, key: newKey() }));
    asking.delete(turn.id);
    if (answer) store.takeSent(answer, turn.id, sameQuestion);
  }

  async function choose(turn, through) {
    const chosen = await attempt(() => store.choose(page.conversationId(), through));
    if (chosen) page.put(chosen);
  }

  function stopEditing(id) {
    editing.delete(id);
    drafts.set(draftOf(id), "");
    page.showTurn(id);
  }

  async function fork(turn) {
    const id = page.conversationId();
    const made = await attempt(() => call("POST", `/conversations/${id}/fork`, { body: { until: turn.id }, key: newKey() }));
    if (!made) return;
    page.put(made);
    toast(t("chat.forked"), { action: { text: t("chat.back"), run: () => (location.hash = `#/c/${id}`) } });
    location.hash = `#/c/${made.id}`;
  }

  async function learn(id) {
    if (store.reply(id)?.retrieval) return;
    const request = await call("GET", `/requests/${id}`).catch((problem) => problem);
    if (!(request instanceof Problem)) store.amend({ ...request, retrieval: request.retrieval ?? { mode: "none", sources: [] } });
  }

  async function openModule(load, open) {
    const loaded = await load().catch(() => null);
    if (loaded) await open(loaded);
    else toast(t("common.not_loaded"));
  }

  const showDetails = (turn) => openModule(() => import("./details.js"), ({ openDetails }) => openDetails(turn.id));

  const showSources = ({ turn }) => openModule(() => import("./sources.js"), ({ openSources }) =>
    openSources({ name: page.persona().name, request: turn.id }));

  function translationItem({ turn, reply }) {
    const known = translations.get();
    if (known === null || !reply.text) return [];
    const text = t(known?.of(turn.id, "assistant") ? "chat.translation.hide" : "chat.translation.show");
    return [{ icon: "translate", text, run: () => translations.toggle(turn.id, "assistant") }];
  }

  function openReplyMenu(row, anchor) {
    const { turn, reply } = row;
    const canGoOn = Boolean(reply.text) && (reply.status === "completed" || reply.status === "cancelled");
    openMenu(anchor, [
      ...(canGoOn && turn.ask ? [{ icon: "continue", text: t("chat.continue"), run: () => beside(turn, "continue") }] : []),
      { icon: "branch", text: t("chat.fork"), run: () => fork(turn) },
      "separator",
      ...translationItem(row),
      ...(reply.retrieval?.sources?.length ? [{ icon: "book", text: t("chat.sources.show"), run: () => showSources(row) }] : []),
      ...(page.hasVoices() && reply.text ? [{ icon: "download", text: t("chat.voice.download"), run: () => page.saveSound(turn.id) }] : []),
      { icon: "info", text: t("chat.details.show"), run: () => showDetails(turn) },
    ], t("chat.more"));
  }

  return {
    choose, learn, showSources, openReplyMenu, fork,
    regenerate: (turn) => beside(turn, "regenerate"),
    goOn: (turn) => beside(turn, "continue"),
    rate: feedback.rate,
    listen: (turn) => page.listen(turn.id),
    withdraw: (id) => page.withdraw(id),
    async copy(text, button) {
      if (!(await copyText(text))) return;
      const drawn = button.querySelector("svg");
      changeIcon(drawn, "check");
      setTimeout(() => changeIcon(drawn, "copy"), SHOWN_MS);
      speak(t("chat.copied"));
    },
    async stop(reply) {
      if (reply && !isFinal(reply)) await attempt(() => call("POST", `/requests/${reply.id}/cancel`));
    },
    // ── Editing a question
    isEditing: (id) => editing.has(id),
    editDraft: (id) => drafts.get(draftOf(id)),
    keepEdit: (id, text) => drafts.set(draftOf(id), text),
    edit(turn) {
      editing.add(turn.id);
      page.showTurn(turn.id);
    },
    cancelEdit(id) {
      stopEditing(id);
      composer.focus();
    },
    sendEdit(id, content) {
      stopEditing(id);
      page.post(content, id);
    },
    // ── What is on its way
    sendAgain: (item) => outbox.retry(item.key),
    discard: (item) => outbox.remove(item.key),
    takeBack(item) {
      outbox.remove(item.key);
      if (!item.replaces) return composer.insert(item.content);
      drafts.set(draftOf(item.replaces), item.content);
      editing.add(item.replaces);
      return page.showTurn(item.replaces);
    },
    /** The last question, into its editor. Returns whether there is one. */
    editLast() {
      const thread = store.thread(page.conversationId());
      const last = thread && isAtEnd(thread) ? turnsIn(thread).findLast(({ ask }) => ask) : null;
      if (last) this.edit(last);
      return Boolean(last);
    },
  };
}
