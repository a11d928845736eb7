// The interview: the question of the day, how far it has come, all questions, and answers brought from elsewhere.

import { Problem, call, newKey } from "../lib/api.js";
import { attempt, el, setText, toast } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";
import { newEditors } from "./editors.js";
import { exchangeSection } from "./exchange.js";
import { clearFaults, showFaults } from "./faults.js";
import { button, section, textField } from "./fields.js";
import { categoryText, newQuestionList, readQuestions } from "./question_list.js";

const REFRESH_MS = 300;
const MAX_QUESTION = 1_000;
const zone = () => encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone);

export function interviewPart({ persona, drafts }) {
  const { slug, name } = persona;
  const editors = newEditors({ persona, drafts, onChange: refresh });
  const today = newToday({ persona, editors });
  const progress = el("section", { className: "progress", ariaLabel: t("studio.interview.progress") });
  const list = newQuestionList({ persona, editors, elsewhere: today.goTo, removed: read });
  const fault = el("p", { className: "quiet", role: "status", textContent: t("studio.reading") });
  let timer = 0;

  async function read() {
    const found = await call("GET", `/personas/${slug}/analytics?timezone=${zone()}`);
    progress.replaceChildren(...progressOf(found));
    list.update(found.categories);
  }

  function refresh() {
    clearTimeout(timer);
    timer = setTimeout(() => attempt(read), REFRESH_MS);
  }

  /** After an import any answer may be another. */
  function readAgain() {
    editors.forgetStates();
    list.forgetAll();
    attempt(read);
  }

  async function start() {
    try {
      const daily = call("GET", `/questions/daily?persona=${slug}&timezone=${zone()}`);
      const [{ question }] = await Promise.all([daily, read()]);
      fault.hidden = true;
      today.show(question, t("studio.interview.today"));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      fault.replaceChildren(el("span", { className: "fault", textContent: problem.message }), " ", button(t("common.retry"), start));
    }
  }

  async function ask(question) {
    list.forget(question.category);
    today.show({ ...question, answer: null });
    today.goTo(question.id);
    await read();
  }

  start();
  const lead = el("p", { className: "quiet interview-lead", textContent: t("studio.interview.about", { name }) });
  const all = section(t("studio.interview.all"), t("studio.interview.all_about", { name }), list.node, ownQuestionForm(ask));
  return {
    node: el("div", { className: "studio-single interview" }, lead, fault, today.node, progress, all, exchangeSection({ persona, imported: readAgain })),
    hasUnsaved: editors.hasUnsaved,
    leave() {
      clearTimeout(timer);
      editors.closeAll();
    },
  };
}

/** The one question that is asked now: that of the day at first. */
function newToday({ persona, editors }) {
  const node = el("section", { className: "today", ariaLabel: t("studio.interview.today") });
  let asked = null;
  let passed = [];

  /** `kind` is what is said above it: its category, unless told. */
  function show(question, kind = categoryText(question.category)) {
    if (asked) editors.close(asked.id);
    asked = question;
    const other = button(t("studio.interview.another"), () => attempt(another), "button small plain");
    node.replaceChildren(
      el("p", { className: "today-kind" }, icon("sun", "small"), el("span", { textContent: kind }), other),
      el("h3", { textContent: question.text, dir: "auto" }), editors.open(question).node,
    );
  }

  async function another() {
    passed.push(asked.id);
    const open = await readQuestions(persona, "&answered=false");
    if (open.every(({ id }) => passed.includes(id))) passed = [asked.id];
    const next = open.find(({ id }) => !passed.includes(id));
    if (!next) return toast(t("studio.interview.all_answered"));
    show(next);
    return node.querySelector("textarea").focus({ preventScroll: true });
  }

  return {
    node,
    show,
    /** Whether this question is asked here; if so, it is gone to. */
    goTo(id) {
      if (asked?.id !== id) return false;
      node.scrollIntoView({ block: "start" });
      node.querySelector("textarea").focus({ preventScroll: true });
      return true;
    },
  };
}

function progressOf({ total, answered, drafts, words, streak: { current } }) {
  const bar = el("progress", { max: Math.max(1, total), value: answered, ariaLabel: t("studio.interview.progress") });
  const facts = [
    ["answered", t("studio.interview.answered", { count: answered, total })],
    ["drafts", drafts && t("studio.interview.drafts", { count: drafts })],
    ["words", words && t("studio.words", { count: words })],
    ["streak", current && t("studio.interview.streak", { count: current })],
  ].filter(([, text]) => text);
  const fact = ([name, text]) => el("span", { className: `fact is-${name}` }, ...(name === "streak" ? [icon("sun", "small")] : []), text);
  return [bar, el("p", { className: "facts-line" }, ...facts.map(fact))];
}

/** `ask(question)` hears of a question that was added. */
function ownQuestionForm(ask) {
  const [label, about] = ["studio.interview.own_label", "studio.interview.own_about"].map((key) => t(key));
  const field = textField({ name: "text", label, about, rows: 2, max: MAX_QUESTION });
  const wrong = el("p", { className: "fault", role: "alert" });
  const submit = el("button", { className: "button", textContent: t("studio.interview.own_add") });
  const form = el("form", { noValidate: true, className: "own-question" }, field.node, wrong, submit);
  form.onsubmit = async (event) => {
    event.preventDefault();
    clearFaults([field]);
    setText(wrong, "");
    submit.disabled = true;
    try {
      const question = await call("POST", "/questions", { body: { text: field.get().trim() }, key: newKey() });
      field.set("");
      await ask(question);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      setText(wrong, showFaults([field], problem));
    } finally {
      submit.disabled = false;
    }
  };
  return form;
}
