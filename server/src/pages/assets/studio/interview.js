// The interview: the question of the day, all others by category, and how far it has come.

import { Problem, call, newKey } from "../lib/api.js";
import { attempt, el, setText, toast } from "../lib/dom.js";
import { hasText, t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";
import { answerEditor } from "./answer.js";
import { clearFaults, showFaults } from "./faults.js";
import { button, section, textField } from "./fields.js";
import { exchangeSection } from "./exchange.js";

const PAGE = 100;
const MAX_PAGES = 50;
const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** A category of the bank by its name in the page's language; others as their owner wrote them. */
export function categoryText(category) {
  const key = `studio.category.${category.replaceAll(" ", "_")}`;
  return /^[a-z ]+$/.test(category) && hasText(key) ? t(key) : category;
}

const inPerson = (persona, rest = "") => `persona=${encodeURIComponent(persona.slug)}${rest}`;

async function readQuestions(persona, filter) {
  const items = [];
  let after = "";
  for (let pages = 0; pages < MAX_PAGES; pages += 1) {
    const page = await call("GET", `/questions?${inPerson(persona, filter)}&limit=${PAGE}${after}`);
    items.push(...page.items);
    if (!page.next) break;
    after = `&after=${encodeURIComponent(page.next)}`;
  }
  return items;
}

export function interviewPart({ persona, drafts }) {
  const { slug } = persona;
  const path = `/personas/${slug}`;
  const today = el("section", { className: "today", ariaLabel: t("studio.interview.today") });
  const progress = el("section", { className: "progress", ariaLabel: t("studio.interview.progress") });
  const categories = el("div", { className: "categories" });
  const fault = el("p", { className: "quiet", role: "status", textContent: t("studio.reading") });
  /** Open editors, by the id of their question. */
  const editors = new Map();
  const lists = new Map();
  /** What has become of answers since their question was read, and what shows it in the list. */
  const states = new Map();
  const marks = new Map();
  let todays = null;
  let passed = [];

  function editorOf(question) {
    const changed = (state) => {
      if (question.answer === state) return;
      question.answer = state;
      states.set(question.id, state);
      marks.get(question.id)?.();
      refresh();
    };
    const editor = answerEditor({ path, slug, question, drafts, changed });
    editors.set(question.id, editor);
    return editor;
  }

  function close(id) {
    editors.get(id)?.leave();
    editors.get(id)?.node.remove();
    editors.delete(id);
  }

  // ── The question of the day

  function showToday(question, isOfTheDay) {
    if (todays) close(todays.id);
    close(question.id);
    todays = question;
    const kind = el("p", { className: "today-kind" }, icon("sun", "small"),
      el("span", { textContent: isOfTheDay ? t("studio.interview.today") : categoryText(question.category) }));
    const text = el("h3", { textContent: question.text, dir: "auto" });
    const editor = editorOf(question);
    const other = button(t("studio.interview.another"), () => attempt(another), "button small plain");
    today.replaceChildren(kind, text, editor.node, el("p", { className: "today-foot" }, other));
  }

  async function another() {
    passed.push(todays.id);
    let left = await readQuestions(persona, "&answered=false");
    if (left.length && left.every(({ id }) => passed.includes(id))) passed = [];
    left = left.filter(({ id }) => !passed.includes(id));
    if (left.length === 0) return toast(t("studio.interview.all_answered"));
    showToday(left[0], false);
    today.querySelector("textarea").focus({ preventScroll: true });
  }

  // ── How far it is

  function showProgress({ total, answered, drafts: begun, words, streak }) {
    const bar = el("progress", { max: Math.max(1, total), value: answered, ariaLabel: t("studio.interview.progress") });
    const facts = [
      ["answered",
        t("studio.interview.answered", { count: answered, total })], ["drafts", begun && t("studio.interview.drafts", { count: begun })],
      ["words", words && t("studio.words", { count: words })], ["streak",
        streak.current && t("studio.interview.streak", { count: streak.current })],
    ].filter(([, text]) => text);
    progress.replaceChildren(bar, el("p", { className: "facts-line" }, ...facts.map(([name, text]) =>
      el("span", { className: `fact is-${name}` }, ...(name === "streak" ? [icon("sun", "small")] : []),
        el("span", { textContent: text })))));
  }

  function showCategories(known) {
    for (const { category, total, answered } of known) {
      if (!lists.has(category)) {
        const made = categoryList(category);
        lists.set(category, made);
        categories.append(made.node);
      }
      lists.get(category).update(total, answered);
    }
  }

  function categoryList(category) {
    const count = el("span", { className: "quiet" });
    const bar = el("progress", { ariaHidden: "true", tabIndex: -1 });
    const list = el("ul", { className: "questions" });
    const node = el("details", { className: "category" },
      el("summary", {}, icon("chevron-down", "small"), el("strong", { textContent: categoryText(category), dir: "auto" }), bar,
        count), list);
    let isRead = false;
    node.ontoggle = async () => {
      if (!node.open || isRead) return;
      isRead = true;
      list.replaceChildren(el("li", { className: "quiet", textContent: t("studio.reading") }));
      const questions = await attempt(() => readQuestions(persona, `&category=${encodeURIComponent(category)}`));
      isRead = Boolean(questions);
      list.replaceChildren(...(questions ?? []).map(questionRow));
    };
    return {
      node,
      update(total, answered) {
        setText(count, t("studio.interview.of", { done: answered, total }));
        Object.assign(bar, { max: Math.max(1, total), value: answered });
      },
      /** What it has is read anew when it is opened next. */
      forget: () => ((isRead = false), node.open && node.ontoggle()),
    };
  }

  function questionRow(question) {
    const mark = el("span", { className: "question-mark" });
    const text = el("span", { textContent: question.text, dir: "auto" });
    const node = el("details", { className: "question" }, el("summary", {}, mark, text));
    const showMark = () => {
      question.answer = states.has(question.id) ? states.get(question.id) : question.answer;
      mark.className = `question-mark is-${question.answer ?? "open"}`;
      mark.replaceChildren(...(question.answer === "final" ? [icon("check", "small")] : []));
      mark.role = "img";
      mark.ariaLabel = t(`studio.answer.status.${question.answer ?? "open"}`);
    };
    const forget = question.own && !question.answer ? [button(t("studio.interview.delete_question"),
      () => attempt(() => removeQuestion(question, node)), "button small plain danger")] : [];
    node.ontoggle = () => {
      if (!node.open) return;
      if (question.id === todays?.id) {
        node.open = false;
        today.scrollIntoView({ block: "start" });
        return today.querySelector("textarea").focus();
      }
      if (node.contains(editors.get(question.id)?.node ?? null)) return;
      close(question.id);
      const editor = editorOf(question);
      node.append(editor.node, ...forget);
      editor.ready.then(() => node.open && editor.focus());
    };
    marks.set(question.id, showMark);
    showMark();
    return el("li", {}, node);
  }

  async function removeQuestion({ id }, node) {
    await call("DELETE", `/questions/${id}`);
    close(id);
    node.closest("li").remove();
    await read();
  }

  // ── Questions of one's own

  function ownQuestion() {
    const field = textField({ name: "text", label: t("studio.interview.own_label"), about: t("studio.interview.own_about"), rows: 2, max: 1_000 });
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
        showToday({ ...question, answer: null }, false);
        lists.get(question.category)?.forget();
        today.scrollIntoView({ block: "start" });
        today.querySelector("textarea").focus({ preventScroll: true });
        await read();
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        setText(wrong, showFaults([field], problem));
      } finally {
        submit.disabled = false;
      }
    };
    return form;
  }

  // ── All of it

  async function read() {
    const found = await call("GET", `${path}/analytics?timezone=${encodeURIComponent(ZONE)}`);
    showProgress(found);
    showCategories(found.categories);
  }

  /** After an import any answer may be another. */
  function readAgain() {
    states.clear();
    for (const { forget } of lists.values()) forget();
    attempt(read);
  }

  let refreshing = 0;
  function refresh() {
    clearTimeout(refreshing);
    refreshing = setTimeout(() => attempt(read), 300);
  }

  async function start() {
    try {
      const [daily] = await Promise.all([call("GET", `/questions/daily?${inPerson(persona)}&timezone=${encodeURIComponent(ZONE)}`),
        read()]);
      fault.hidden = true;
      showToday(daily.question, true);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      fault.replaceChildren(el("span", { className: "fault", textContent: problem.message }), " ", button(t("common.retry"), start));
    }
  }

  start();
  const more = section(t("studio.interview.all"), t("studio.interview.all_about", { name: persona.name }), categories, ownQuestion());
  return {
    node: el("div", { className: "studio-single interview" }, el("p",
      { className: "quiet interview-lead", textContent: t("studio.interview.about", { name: persona.name }) }), fault, today, progress, more,
      exchangeSection({ persona, imported: readAgain })),
    hasUnsaved: () => [...editors.values()].some((editor) => editor.hasUnsaved()),
    leave() {
      clearTimeout(refreshing);
      for (const id of [...editors.keys()]) close(id);
    },
  };
}

