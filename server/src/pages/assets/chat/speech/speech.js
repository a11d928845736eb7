// Replies that are spoken: those that are to be listened to, and by themselves those that were asked for here. Joins the
// player with the button of the voice, the mark in the text, and the word to the server of what was heard. Loaded where
// there are voices.

import { call } from "../../lib/api.js";
import { el, toast } from "../../lib/dom.js";
import { onLanguageChange, t } from "../../lib/i18n.js";
import { changeIcon } from "../../lib/icons.js";
import { VOICE } from "../../lib/storage.js";
import { isFinal } from "../replies.js";
import { newClips } from "./clips.js";
import { commonStart, firstChanged } from "./find.js";
import { newMark } from "./mark.js";
import { openVoicePanel } from "./panel.js";
import { newPlayer } from "./player.js";
import { newSentences } from "./sentences.js";
import { keepSettings, readSettings } from "./settings.js";
import { stretchBuffer } from "./stretch.js";

/** So long at most, what is sent waits for the server to know what was heard. */
const HEARD_PATIENCE_MS = 2_000;
/** Until a browser has surely taken over what it saves. */
const SAVED_MS = 60_000;

/**
 * `root` is the thread, `textOf(id)` the element of a reply's text there, `replyOf(id)` the reply; `isOwn(id)` says whether
 * it was asked for in this tab, `isLast(id)` whether nothing follows it. `onChange(id)` hears that its state is another.
 */
export function startSpeech({ button, root, textOf, replyOf, isOwn, isLast, onChange }) {
  let settings = readSettings(localStorage);
  let state = { id: null, status: "stopped" };
  let text = "";
  let isAsked = false;
  let hasToldFailure = false;
  /** The last word to the server of what was heard, until it has arrived. */
  let telling = Promise.resolve();
  /** Of replies that were interrupted while they were being written, by request: it is told when they have ended. */
  const toTell = new Map();
  const offered = new Set();
  /** Replies to messages that were sent one after the other, which are spoken so too. */
  const line = [];
  const mark = newMark({ root });
  const sentences = newSentences({ call, onSentences: showMark });
  const clip = newClips({ fetch: (...args) => fetch(...args) });
  const player = newPlayer({
    clip, newContext: () => new AudioContext(), stretch: stretchBuffer, onChange: changed,
  });

  function changed(next) {
    state = next;
    showMark();
    onChange(next.id);
    if (next.status === "playing") hasToldFailure = false;
    if (next.status === "failed") tellFailure();
    if (next.status !== "ended" && next.status !== "failed") return;
    sentences.stop();
    // Only when the player has let go of this one.
    queueMicrotask(() => !player.id() && line.length > 0 && start(line.shift(), false));
  }

  /** Each time to somebody who wants to listen; else once, until there is sound again. */
  function tellFailure() {
    if (isAsked || !hasToldFailure) toast(t("chat.voice.failed"));
    hasToldFailure = true;
  }

  function showMark() {
    const { id, status, sentence } = state;
    if (status !== "playing" || sentence === null) return mark.set(null);
    return mark.set(() => {
      const shown = textOf(id);
      return shown && { text: shown, sentences: sentences.all(), number: sentence };
    });
  }

  function start(id, isWanted) {
    isAsked = isWanted;
    text = replyOf(id)?.text ?? "";
    player.play(id);
    sentences.follow(id);
  }

  function stop() {
    line.length = 0;
    sentences.stop();
    return player.stop();
  }

  function tell(id, sentence) {
    toTell.delete(id);
    telling = call("POST", `/requests/${id}/heard`, { body: { sentence }, patience: HEARD_PATIENCE_MS }).catch(() => {});
  }

  function apply(next) {
    settings = next;
    player.setSpeed(settings.speed);
    player.setMuted(settings.isMuted);
    showButton();
  }

  function change(some) {
    apply({ ...settings, ...some });
    keepSettings(localStorage, settings);
    if (settings.isOn) player.unlock();
    else if (!isAsked) stop();
  }

  function showButton() {
    const { isOn, isMuted } = settings;
    changeIcon(button.firstElementChild, isMuted ? "volume-off" : "volume");
    button.classList.toggle("is-on", isOn);
    button.ariaLabel = button.title = t(isOn ? "chat.voice.is_on" : "chat.voice.is_off");
  }

  // A click on the button of an open panel has dismissed it already, and is no wish to open it again.
  let wasOpen = false;
  button.addEventListener("pointerdown", () => (wasOpen = Boolean(document.querySelector(".voice-panel"))));
  button.onclick = ({ detail }) => {
    if (!(detail > 0 && wasOpen)) openVoicePanel(button, settings, change);
  };
  // Browsers let sound begin in a gesture only: the first one makes way for the replies that come by themselves.
  for (const gesture of ["click", "keydown"]) addEventListener(gesture, () => settings.isOn && player.unlock(), true);
  addEventListener("storage", ({ key, storageArea }) => key === VOICE && storageArea === localStorage && apply(readSettings(localStorage)));
  onLanguageChange(showButton);
  apply(settings);

  return {
    stop,
    /** The reply that is spoken. */
    id: player.id,
    isAudible: (id) => player.id() === id && !settings.isMuted,
    /** "loading", "playing" or "off". */
    stateOf: (id) => (player.id() === id ? state.status : "off"),
    async save(id) {
      toast(t("chat.voice.saving"));
      const sound = await clip(id).catch(() => null);
      if (!sound) return toast(t("chat.voice.failed"));
      const href = URL.createObjectURL(new Blob([sound], { type: "audio/wav" }));
      el("a", { href, download: `${id}.wav` }).click();
      return setTimeout(() => URL.revokeObjectURL(href), SAVED_MS);
    },
    toggle: (id) => (player.id() === id ? stop() : start(id, true)),
    /** A reply that has begun, or has ended meanwhile: spoken by itself, once, where that is wanted. */
    offer(reply) {
      if (!isOwn(reply.id) || offered.has(reply.id) || reply.status === "queued") return;
      if (settings.isOn || isFinal(reply)) offered.add(reply.id);
      if (!settings.isOn || reply.status === "failed" || reply.status === "cancelled") return;
      if (player.id()) line.push(reply.id);
      else start(reply.id, false);
    },
    /** Another text of a reply. Where what was spoken is not in it any more, it is spoken anew from there. */
    take(reply) {
      if (toTell.has(reply.id) && isFinal(reply)) tell(reply.id, toTell.get(reply.id));
      if (reply.id !== player.id()) return;
      const before = text;
      text = reply.text;
      if (text.startsWith(before.trimEnd())) return;
      player.rewind(firstChanged(sentences.all(), commonStart(before, text)));
      sentences.follow(reply.id);
    },
    /**
     * The listener begins to speak: silence at once, and the next prompt holds only what was heard. Nothing is said of an
     * older reply, which the conversation has gone on from, and of one that was not to be heard. Resolves when it is known.
     */
    interrupt() {
      const left = stop();
      if (!left?.hasBegun || settings.isMuted || !isLast(left.id)) return telling;
      const reply = replyOf(left.id);
      if (reply && isFinal(reply)) tell(left.id, left.heard);
      else toTell.set(left.id, left.heard);
      return telling;
    },
  };
}
