// The answer to one question: a place to write, which saves itself.

import { Problem, call } from "../lib/api.js";
import { askFor, attempt, el, setText, toast } from "../lib/dom.js";
import { formatDate, formatNumber, formatTime, t } from "../lib/i18n.js";
import { newAnswerSync } from "./answer_sync.js";
import { problemWords } from "./faults.js";
import { button } from "./fields.js";
import { newKept } from "./kept.js";
import { diffNode } from "./versions.js";

const MAX_ANSWER = 32_768;

export const countWords = (text) => text.trim().split(/\s+/).filter(Boolean).length;

/** Of the persona at `path`. `changed(state)` hears of `draft`, `final` or null, whatever the answer has become. */
export function answerEditor({ path, slug, question, drafts, changed }) {
  const address = `${path}/responses/${question.id}`;
  const input = el("textarea", {
    className: "input answer-text", rows: 5, maxLength: MAX_ANSWER, dir: "auto", ariaLabel: question.text, placeholder: t("studio.answer.placeholder"),
  });
  const status = el("span", { className: "quiet answer-status", role: "status" });
  const words = el("span", { className: "quiet" });
  const finish = button("", () => finishIt(), "primary");
  const undo = button(t("studio.answer.undo"), () => resolve(sync.base()?.content ?? ""), "button small plain");
  const remove = button(t("studio.answer.delete"), () => attempt(removeIt), "button small plain danger");
  const conflict = el("div", { className: "conflict", hidden: true });
  const history = el("details", { className: "history", hidden: true }, el("summary", { textContent: t("studio.answer.history") }));
  const node = el("div", { className: "answer" }, input, conflict,
    el("div", { className: "answer-foot" }, el("span", { className: "answer-state" }, status, words), undo, remove, finish), history);
  let state = { name: "idle" };

  const api = {
    write: (content, to, version) => call("PUT", address, { body: { content, status: to }, version }),
    read: () => call("GET", address).catch((problem) => {
      if (problem.status === 404) return null;
      throw problem;
    }),
  };
  const kept = newKept(drafts, `answer ${slug} ${question.id}`);
  const sync = newAnswerSync({ api, kept, onState: showState });
  const isFinal = () => sync.base()?.status === "final";

  function showState(next) {
    state = next;
    const { name, problem, theirs } = next;
    setText(status, name === "failed" ? t("studio.answer.failed", { reason: problemWords(problem) }) : stateText(name));
    status.classList.toggle("fault", name === "failed");
    conflict.hidden = name !== "conflict";
    if (name === "conflict") showConflict(theirs);
    if (name === "saved") changed(sync.base()?.status ?? null);
    showButtons();
  }

  function stateText(name) {
    const was = sync.base()?.status;
    if (name === "saved") return t(`studio.answer.saved_${was}`, { time: formatTime(Date.now()) });
    if (name === "idle") return was ? t(`studio.answer.is_${was}`) : "";
    return t(`studio.answer.${name}`);
  }

  function showButtons() {
    const isBusy = state.name === "saving" || state.name === "conflict";
    const isEmpty = !input.value.trim();
    finish.disabled = isBusy || isEmpty || (isFinal() && !sync.isDirty());
    setText(finish, t(isFinal() ? "studio.answer.save" : "studio.answer.finish"));
    undo.hidden = !isFinal() || !sync.isDirty() || state.name === "conflict";
    remove.hidden = !sync.base() || state.name === "conflict";
    setText(words, isEmpty ? "" : t("studio.words", { count: countWords(input.value) }));
  }

  function showConflict(theirs) {
    const side = (whose, content, run) => {
      const text = el("p", { className: "conflict-text scrolls", dir: "auto", textContent: content || t("studio.answer.nothing"), tabIndex: 0 });
      const keep = button(t(`studio.answer.keep_${whose}`), run, "button");
      return el("div", { className: "conflict-side" }, el("h4", { textContent: t(`studio.answer.${whose}`) }), text, keep);
    };
    const mine = side("mine", sync.text(), () => resolve(sync.text()));
    const other = side("theirs", theirs.content, () => resolve(theirs.content));
    const notice = el("p", { className: "notice warn", role: "alert", textContent: t("studio.answer.conflict_about") });
    conflict.replaceChildren(notice, el("div", { className: "conflict-sides" }, mine, other));
  }

  async function resolve(content) {
    input.value = content;
    await sync.resolve(content);
    input.focus();
  }

  async function finishIt() {
    await sync.save("final");
    if (isFinal() && !sync.isDirty()) showHistory();
  }

  async function removeIt() {
    const question = { title: t("studio.answer.delete_title"), text: t("studio.answer.delete_text"), yes: t("studio.answer.delete"), danger: true };
    if ((await askFor(question)) === null) return;
    await call("DELETE", address);
    const restore = async () => showAnswer(await call("POST", `${address}/restore`));
    toast(t("studio.answer.deleted"), { action: { text: t("common.undo"), run: () => attempt(restore) } });
    showAnswer(null);
  }

  function showAnswer(response) {
    sync.begin(response);
    input.value = sync.text();
    showButtons();
    changed(response?.status ?? null);
    history.hidden = !response;
  }

  /** Earlier versions, each with what has changed since. */
  async function showHistory() {
    const found = await api.read().catch(() => null);
    const versions = found?.history ?? [];
    history.hidden = versions.length === 0;
    history.replaceChildren(history.firstChild,
      el("ol", { className: "rows" }, ...versions.map((version) => historyRow(version, found))));
  }

  function historyRow({ version, content, status: was, written_at: at }, now) {
    const about = [formatDate(at), t(`studio.answer.status.${was}`), t("studio.words", { count: countWords(content) })].join(" · ");
    const restore = button(t("studio.answer.restore"), () => resolve(content));
    restore.ariaLabel = t("studio.answer.restore_number", { number: version });
    return el("li", {},
      el("span", { className: "what" }, el("strong", { textContent: `${formatNumber(version)} · ${about}` }),
        diffNode(content, now.content)),
      restore);
  }

  async function open() {
    let found = null;
    try {
      // Without an answer there is nothing to read, and a 404 would be in the console.
      if (question.answer) found = await api.read();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      showState({ name: "failed", problem });
    }
    sync.begin(found && { version: found.version, content: found.content, status: found.status });
    input.value = sync.text();
    showButtons();
    if (found?.history.length) showHistory();
  }

  input.oninput = () => {
    sync.type(input.value);
    showButtons();
  };
  const flush = () => attempt(() => sync.flush());
  addEventListener("online", flush);
  const ready = open();
  return {
    node,
    ready,
    focus: () => input.focus(),
    hasUnsaved: () => sync.isDirty() && (isFinal() || state.name === "conflict"),
    leave() {
      removeEventListener("online", flush);
      flush();
      sync.end();
      kept.end();
    },
  };
}
