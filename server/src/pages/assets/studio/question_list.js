// All questions by category: a category is read when it is opened, a question is answered in its place.

import { call } from "../lib/api.js";
import { attempt, el, setText } from "../lib/dom.js";
import { hasText, t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";
import { button } from "./fields.js";

const PAGE = 100;
const MAX_PAGES = 50;

/** A category of the bank by its name in the page's language; others as their owner wrote them. */
export function categoryText(category) {
  const key = `studio.category.${category.replaceAll(" ", "_")}`;
  return /^[a-z ]+$/.test(category) && hasText(key) ? t(key) : category;
}

/** All questions that this filter lets through (`&answered=false`), with the state of the persona's answers. */
export async function readQuestions({ slug }, filter) {
  const items = [];
  let after = "";
  for (let pages = 0; pages < MAX_PAGES; pages += 1) {
    const page = await call("GET", `/questions?persona=${slug}${filter}&limit=${PAGE}${after}`);
    items.push(...page.items);
    if (!page.next) break;
    after = `&after=${encodeURIComponent(page.next)}`;
  }
  return items;
}

/** `elsewhere(id)` goes to the question where it is asked already, if it is; `removed()` hears that one is deleted. */
export function newQuestionList({ persona, editors, elsewhere, removed }) {
  const node = el("div", { className: "categories" });
  const lists = new Map();

  function categoryList(category) {
    const count = el("span", { className: "quiet" });
    const bar = el("progress", { ariaHidden: "true" });
    const list = el("ul", { className: "questions" });
    const name = el("strong", { textContent: categoryText(category), dir: "auto" });
    const whole = el("details", { className: "category" }, el("summary", {}, icon("chevron-down", "small"), name, bar, count), list);
    let isRead = false;
    whole.ontoggle = async () => {
      if (!whole.open || isRead) return;
      isRead = true;
      list.replaceChildren(el("li", { className: "quiet", textContent: t("studio.reading") }));
      const questions = await attempt(() => readQuestions(persona, `&category=${encodeURIComponent(category)}`));
      isRead = Boolean(questions);
      list.replaceChildren(...(questions ?? []).map(questionRow));
    };
    node.append(whole);
    return {
      update(total, answered) {
        setText(count, t("studio.interview.of", { done: answered, total }));
        Object.assign(bar, { max: Math.max(1, total), value: answered });
      },
      /** What it has is read anew: now, if it is open, else when it is opened. */
      forget() {
        isRead = false;
        whole.ontoggle();
      },
    };
  }

  function questionRow(question) {
    const mark = el("span", { role: "img" });
    const summary = el("summary", {}, mark, el("span", { textContent: question.text, dir: "auto" }));
    const whole = el("details", { className: "question" }, summary);
    const showMark = () => {
      question.answer = editors.stateOf(question);
      const state = question.answer ?? "open";
      mark.className = `question-mark is-${state}`;
      mark.ariaLabel = t(`studio.answer.status.${state}`);
      mark.replaceChildren(...(state === "final" ? [icon("check", "small")] : []));
    };
    whole.ontoggle = () => {
      if (!whole.open || editors.isIn(whole, question.id)) return;
      if (elsewhere(question.id)) {
        whole.open = false;
        return;
      }
      const editor = editors.open(question);
      whole.replaceChildren(summary, editor.node, ...(question.own && !question.answer ? [remover(question, whole)] : []));
      editor.ready.then(() => whole.open && editor.focus());
    };
    editors.mark(question.id, showMark);
    showMark();
    return el("li", {}, whole);
  }

  function remover({ id }, row) {
    const remove = async () => {
      await call("DELETE", `/questions/${id}`);
      editors.close(id);
      row.closest("li").remove();
      await removed();
    };
    return button(t("studio.interview.delete_question"), () => attempt(remove), "button small plain danger");
  }

  return {
    node,
    /** `known` are the categories of the persona's progress, in their order. */
    update(known) {
      for (const { category, total, answered } of known) {
        if (!lists.has(category)) lists.set(category, categoryList(category));
        lists.get(category).update(total, answered);
      }
    },
    forget: (category) => lists.get(category)?.forget(),
    forgetAll: () => lists.forEach(({ forget }) => forget()),
  };
}
