// The field for what is written: it grows, keeps drafts, and says before sending what would be refused.

import { setText } from "../lib/dom.js";
import { fitHeight, isSendKey, lengthOf } from "./fit.js";

/**
 * Joins the parts of the composer. `onSubmit(text)` returns whether the text has been taken over; `onGrow` hears of
 * another height, `onLast` of the wish to edit the last question.
 */
export function newComposer({ form, input, send, counter, drafts, onSubmit, onGrow, onLast }) {
  let key = null;
  let isSending = false;

  function check() {
    const { isTooLong, words } = lengthOf(input.value);
    setText(counter, words);
    counter.hidden = !words;
    counter.classList.toggle("fault", isTooLong);
    input.ariaInvalid = String(isTooLong);
    send.disabled = isSending || isTooLong || !input.value.trim();
    const before = input.offsetHeight;
    fitHeight(input);
    if (input.offsetHeight !== before) onGrow();
  }

  function set(text) {
    input.value = text;
    if (key) drafts.set(key, text);
    check();
  }

  async function submit() {
    const text = input.value.trim();
    if (send.disabled || !text) return;
    isSending = true;
    check();
    const submitted = key;
    const isTaken = await onSubmit(text).finally(() => (isSending = false));
    if (isTaken) drafts.set(submitted, "");
    if (isTaken && key === submitted) set("");
    else check();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  input.addEventListener("keydown", (event) => {
    if (isSendKey(event)) {
      event.preventDefault();
      submit();
    } else if (event.key === "ArrowUp" && !input.value && !event.isComposing) {
      if (onLast()) event.preventDefault();
    }
  });
  input.addEventListener("input", () => {
    if (key) drafts.set(key, input.value);
    check();
  });

  return {
    /** Shows the draft of another place. */
    show(next) {
      key = next;
      input.value = drafts.get(key);
      // After the next frame has shown the field: what is hidden has no height and takes no focus.
      requestAnimationFrame(check);
    },
    /** Adds a text that was sent, or waited, and is to be written anew. */
    insert(text) {
      set([text, input.value].filter(Boolean).join("\n"));
      input.focus();
    },
    /** What is written, and where the next letter would stand. */
    written: () => ({ text: input.value, caret: input.selectionEnd }),
    /** Another text in place of what is written, and the caret within it. */
    write(text, caret) {
      set(text);
      input.setSelectionRange(caret, caret);
      if (caret === text.length) input.scrollTop = input.scrollHeight;
    },
    isEmpty: () => !input.value.trim(),
    check,
    focus() {
      // A keyboard that covers half of the screen comes only when it is asked for.
      if (!matchMedia("(hover: hover)").matches) return;
      // What is still hidden takes no focus before the next frame has shown it.
      if (input.offsetParent) input.focus({ preventScroll: true });
      else requestAnimationFrame(() => requestAnimationFrame(() => input.focus({ preventScroll: true })));
    },
  };
}
