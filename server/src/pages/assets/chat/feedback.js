// What users think of replies: thumbs, a note, and the way back.

import { Problem, call } from "../lib/api.js";
import { attempt, el, speak } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { store, stored } from "../lib/storage.js";
import { openPopover } from "./popover.js";

const MAX_NOTE = 2_000;
const MAX_REMEMBERED = 500;

/** `onChange(request)` hears that a rating is known, has changed, or is no more. */
export function newFeedback({ user, storage, onChange }) {
  /** By request; null: there is none. */
  const ratings = new Map();
  const name = `troupe.rated.${user}`;

  function set(id, rating) {
    ratings.set(id, rating);
    remember(id, Boolean(rating));
    onChange(id);
  }

  /** What was rated here: only of that is asked, because most replies have no rating. */
  const remembered = () => stored(storage, name) ?? [];

  function remember(id, isRated) {
    const known = remembered();
    if (known.includes(id) === isRated) return;
    store(storage, name, isRated ? [...known, id].slice(-MAX_REMEMBERED) : known.filter((other) => other !== id));
  }

  async function learn(id) {
    if (ratings.has(id) || !remembered().includes(id)) return;
    ratings.set(id, null);
    try {
      set(id, await call("GET", `/requests/${id}/feedback`));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (problem.status === 404) remember(id, false);
      else ratings.delete(id);
    }
  }

  async function send(id, body) {
    const kept = await attempt(() => call("POST", `/requests/${id}/feedback`, { body }));
    if (kept) set(id, kept);
    return kept;
  }

  /** Rates at once, and asks for a note; the same thumb again opens what was said. */
  async function rate(id, rating, anchor) {
    const before = ratings.get(id);
    if (before?.rating !== rating) {
      const { note = null, share = false } = before ?? {};
      if (!(await send(id, { rating, share, ...(note && { note }) }))) return;
      speak(t("chat.feedback.kept"));
    }
    openNote(id, anchor);
  }

  function openNote(id, anchor) {
    const { rating, note, share } = ratings.get(id);
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

  return { learn, rate, of: (id) => ratings.get(id) ?? null };
}
