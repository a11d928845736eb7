// What users think of replies: thumbs, a note, and the way back.

import { call } from "../lib/api.js";
import { attempt, el, speak } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { openPopover } from "./popover.js";

const MAX_NOTE = 2_000;

/** `listed(request)` is the rating that came with a list, `onChange(request)` hears that it is another now. */
export function newFeedback({ listed, onChange }) {
  /** What was said here, or asked for since; null: it was taken back. */
  const known = new Map();

  function set(id, feedback) {
    known.set(id, feedback);
    onChange(id);
  }

  /** Asks for the note, which no list has. */
  async function learn(id) {
    if (known.has(id) || !listed(id)) return;
    try {
      set(id, await call("GET", `/requests/${id}/feedback`));
    } catch (problem) {
      // Taken back on another device.
      if (problem.status !== 404) throw problem;
      set(id, null);
    }
  }

  async function send(id, body) {
    const kept = await attempt(() => call("POST", `/requests/${id}/feedback`, { body }));
    if (kept) set(id, kept);
    return kept;
  }

  /** Rates at once, and asks for a note; the same thumb again opens what was said. */
  async function rate(id, rating, anchor) {
    const isKnown = await attempt(async () => (await learn(id), true));
    if (!isKnown) return;
    const before = known.get(id);
    if (before?.rating !== rating) {
      const { note = null, share = false } = before ?? {};
      if (!(await send(id, { rating, share, ...(note && { note }) }))) return;
      speak(t("chat.feedback.kept"));
    }
    openNote(id, anchor);
  }

  function openNote(id, anchor) {
    const { rating, note, share } = known.get(id);
    const input = el("textarea", { className: "input", rows: 3, maxLength: MAX_NOTE, value: note ?? "", dir: "auto" });
    input.placeholder = t(`chat.feedback.note_${rating}`);
    input.ariaLabel = t("chat.feedback.note");
    const shares = el("input", { type: "checkbox", checked: share });
    const back = el("button", { type: "button", className: "button plain", textContent: t("chat.feedback.take_back") });
    const form = el("form", { className: "feedback" },
      el("strong", { textContent: t("chat.feedback.thanks") }), input,
      el("label", { className: "choice" }, shares, el("span", { textContent: t("chat.feedback.share") })),
      el("p", { className: "actions" }, back, el("button", { className: "primary", textContent: t("chat.feedback.save") })));
    const close = openPopover(anchor, form, t("chat.feedback.label"));
    form.onsubmit = async (event) => {
      event.preventDefault();
      const written = input.value.trim();
      if (await send(id, { rating, share: shares.checked, ...(written && { note: written }) })) close();
    };
    back.onclick = async () => {
      const isGone = await attempt(async () => (await call("DELETE", `/requests/${id}/feedback`), true));
      if (!isGone) return;
      set(id, null);
      close();
    };
  }

  return { rate, of: (id) => (known.has(id) ? known.get(id)?.rating : listed(id)) ?? null };
}
