// The editors of answers that are open, one to a question, and what has become of the answers meanwhile.

import { answerEditor } from "./answer.js";

/** For the interview of a persona; `onChange()` hears that an answer is another thing than it was. */
export function newEditors({ persona, drafts, onChange }) {
  const open = new Map();
  /** Since their question was read: `draft`, `final` or null, by question. */
  const states = new Map();
  const marks = new Map();

  function close(id) {
    open.get(id)?.leave();
    open.get(id)?.node.remove();
    open.delete(id);
  }

  return {
    close,
    /** Another editor of the same question is closed. */
    open(question) {
      close(question.id);
      const changed = (state) => {
        if (question.answer === state) return;
        question.answer = state;
        states.set(question.id, state);
        marks.get(question.id)?.();
        onChange();
      };
      const { slug } = persona;
      const editor = answerEditor({ path: `/personas/${slug}`, slug, question, drafts, changed });
      open.set(question.id, editor);
      return editor;
    },
    isIn: (node, id) => node.contains(open.get(id)?.node ?? null),
    stateOf: ({ id, answer }) => (states.has(id) ? states.get(id) : answer),
    /** `show` is called when the state of this question's answer changes. */
    mark: (id, show) => marks.set(id, show),
    forgetStates: () => states.clear(),
    hasUnsaved: () => [...open.values()].some((editor) => editor.hasUnsaved()),
    closeAll: () => [...open.keys()].forEach(close),
  };
}
