// A reply: who speaks, the text as Markdown, what is said of it, and what can be done with it.

import { el, paintAvatar, setText, titleOnPointer } from "../lib/dom.js";
import { formatDate, t } from "../lib/i18n.js";
import { changeIcon } from "../lib/icons.js";
import { problemText } from "../lib/problems.js";
import { whenIdle } from "../lib/tasks.js";
import { newMarkdown } from "./markdown/view.js";
import { isFinal } from "./replies.js";
import { onSwipe } from "./swipe.js";
import { versionsOf } from "./thread.js";
import { newVersions, toolButton } from "./tools.js";
import { newBeside } from "./translation/beside.js";
import { waitingText } from "./waiting_text.js";

/** How long the pointer rests on a reply before more is asked about it. */
const RESTS_MS = 250;

export const failure = (reply) => problemText(reply.error ?? { code: "provider_failed" });

/** What stands under a reply that is not simply whole, or in place of one that has no text yet. */
function noteOf(reply, waiting) {
  if (reply.status === "failed") return failure(reply);
  if (reply.status === "cancelled") return t("chat.stopped");
  if (reply.incomplete) return t(`chat.incomplete.${reply.incomplete}`);
  if (isFinal(reply) || reply.text) return "";
  if (waiting && waiting.reason !== "conversation") return waitingText(waiting);
  if (reply.attempt > 1) return t("chat.trying_again", { attempt: reply.attempt });
  return t(reply.status === "queued" ? "chat.waiting.here" : "chat.thinking");
}

/** What can be done at once about a reply that is not whole. */
function remediesOf({ reply, turn }, { act, waiting, canChange }) {
  const button = (key, run) => el("button", { className: "link", type: "button", textContent: t(key), onclick: run });
  if (reply.status === "failed") return turn.ask ? [button("chat.ask_again", () => act.regenerate(turn))] : [];
  if (reply.text && (reply.status === "cancelled" || reply.incomplete)) return [button("chat.continue", () => act.goOn(turn))];
  return waiting && canChange ? [button("chat.queue.withdraw", () => act.withdraw(turn.id))] : [];
}

/** A row that shows replies. `context()` gives the persona, and what is known of waiting and feedback; `act` does things. */
export function replyRow({ act, context }) {
  let row = null;
  const avatar = el("span", { className: "avatar small", ariaHidden: "true" });
  const speaker = el("h2", { className: "unseen" });
  const text = el("div", { className: "text prose", dir: "auto" });
  const markdown = newMarkdown(text);
  const note = el("p", { className: "note" });
  const versions = newVersions("reply", (id) => act.choose(row.turn, id));
  const copy = toolButton("copy", "chat.copy", (button) => act.copy(row.text, button));
  const listen = toolButton("volume", "chat.voice.listen", () => act.listen(row.turn));
  const again = toolButton("refresh", "chat.regenerate", () => act.regenerate(row.turn));
  const up = toolButton("thumb-up", "chat.feedback.up", (button) => act.rate(row.turn.id, "up", button));
  const down = toolButton("thumb-down", "chat.feedback.down", (button) => act.rate(row.turn.id, "down", button));
  const sources = toolButton("book", "chat.sources.show", (button) => act.showSources(row, button));
  const more = toolButton("more", "chat.more", (button) => act.openReplyMenu(row, button));
  const beside = newBeside({ text, role: "assistant", opener: (button) => (button.checkVisibility() ? button : more) });
  // On a phone there may be no room for them, and they are in the menu too.
  sources.classList.add("sources-tool");
  beside.button.classList.add("translation-tool");
  listen.classList.add("voice-tool");
  more.ariaHasPopup = "menu";
  more.ariaExpanded = "false";
  const tools = el("div", { className: "tools" }, versions.node, listen, copy, beside.button, again, up, down, sources, more);
  const body = el("div", { className: "body" }, speaker, beside.node, note, tools);
  const node = el("article", { className: "row reply" }, avatar, body);
  onSwipe(node, versions.step);
  titleOnPointer(text, () => (row.at ? formatDate(row.at, { dateStyle: "full", timeStyle: "short" }) : ""));
  askWhenRested(node, () => row && isFinal(row.reply) && act.learn(row.turn.id));

  function update(next) {
    row = next;
    const { reply, turn, isLast } = row;
    const { persona, waiting, canChange, rating, voice, translations } = context(turn.id);
    const isDone = isFinal(reply);
    paintAvatar(avatar, persona?.name, persona?.slug, persona?.avatar_url);
    setText(speaker, t("chat.says", { name: persona?.name ?? t("chat.reply") }));
    label(persona?.name ?? t("chat.reply"), row.at);
    text.hidden = !reply.text;
    markdown.set(reply.text, isDone);
    node.classList.toggle("writing", !isDone);
    node.classList.toggle("failed", reply.status === "failed");
    node.classList.toggle("is-last", isLast);
    showNote(noteOf(reply, waiting), remediesOf(row, { act, waiting, canChange }));
    showTools(reply, turn, rating);
    showVoice(reply, voice);
    beside.update(turn.id, translations, isDone && Boolean(reply.text));
  }

  /** Both texts, within the same time. */
  function work(until) {
    const isMore = markdown.work(until);
    return beside.work(until) || isMore;
  }

  /** Soon: the first date to be formatted takes longer than all that the row is made of. */
  function label(name, at) {
    const says = `${name} ${at}`;
    if (node.says === says) return;
    node.says = says;
    whenIdle(() => (node.ariaLabel = at ? t("chat.said_at", { name, time: formatDate(at) }) : null));
  }

  function showNote(says, remedies) {
    note.hidden = !says;
    const what = [says, ...remedies.map(({ textContent }) => textContent)].join("\n");
    if (note.says === what) return;
    note.says = what;
    note.replaceChildren(el("span", { textContent: says }), ...remedies);
  }

  function showTools(reply, turn, rating) {
    const isDone = isFinal(reply);
    const isRatable = reply.status === "completed" && Boolean(reply.text);
    versions.update(versionsOf(turn).reply);
    tools.classList.toggle("is-empty", !isDone && versions.node.hidden);
    copy.hidden = !isDone || !reply.text;
    again.hidden = !isDone || !turn.ask;
    up.hidden = down.hidden = !isRatable;
    up.ariaPressed = String(rating === "up");
    down.ariaPressed = String(rating === "down");
    sources.hidden = !reply.retrieval?.sources?.length;
    more.hidden = !isDone;
  }

  /** While it is spoken, also one that is still being written can be silenced. */
  function showVoice(reply, voice) {
    const isSpoken = voice === "loading" || voice === "playing";
    listen.hidden = !voice || !(isSpoken || (isFinal(reply) && reply.text));
    node.classList.toggle("speaking", isSpoken);
    if (isSpoken) tools.classList.remove("is-empty");
    if (listen.voice === voice) return;
    listen.voice = voice;
    changeIcon(listen.firstElementChild, isSpoken ? "stop" : "volume");
    listen.ariaLabel = listen.title = t(isSpoken ? "chat.voice.stop" : "chat.voice.listen");
    listen.ariaBusy = String(voice === "loading");
  }

  return { node, update, work };
}

/** Sources are not in lists: they are asked for of the replies that somebody is about to use. */
function askWhenRested(node, ask) {
  let timer = 0;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, RESTS_MS);
  };
  node.addEventListener("pointerenter", wait);
  node.addEventListener("focusin", wait);
  node.addEventListener("pointerleave", () => clearTimeout(timer));
}
