// A word with the persona beside its settings: a temporary conversation, of which nothing is kept.

import { Problem, call, newKey } from "../lib/api.js";
import { el, setText } from "../lib/dom.js";
import { SilentStream, readEvents } from "../lib/event_stream.js";
import { t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";
import { problemText } from "../lib/problems.js";
import { keepCodePoints } from "../lib/text.js";
import { tool } from "./fields.js";
import { inspectorButton } from "./inspector.js";
import { portrait } from "./portrait.js";

const MAX_QUESTION = 8_000;
const FINAL = new Set(["reply.completed", "request.failed", "request.cancelled"]);

/** What an event makes of the text so far. */
export function textAfter(text, { type, text: more, keep, message, error }) {
  if (type === "reply.delta") return text + more;
  if (type === "reply.reset") return keepCodePoints(text, keep);
  if (type === "reply.completed") return message.content;
  if (type === "request.failed") return problemText(error);
  return type === "request.cancelled" ? message?.content ?? text : text;
}

export function trialPanel({ persona }) {
  const { slug, name } = persona;
  const log = el("div", { className: "trial-log scrolls", role: "log", ariaLabel: t("studio.trial.log"), tabIndex: 0 });
  const stale = el("p", { className: "notice warn small-text", textContent: t("studio.trial.stale"), hidden: true });
  const hint = t("studio.trial.question");
  const input = el("textarea", { className: "input", rows: 2, dir: "auto", maxLength: MAX_QUESTION, ariaLabel: hint, placeholder: hint });
  const send = el("button", { className: "send", ariaLabel: t("studio.trial.send"), title: t("studio.trial.send") }, icon("send"));
  const form = el("form", { className: "trial-form", onsubmit: (event) => (event.preventDefault(), ask()) }, input, send);
  const again = tool("refresh", t("studio.trial.again"), begin);
  const inspect = inspectorButton({ slug, questionOf: () => input.value.trim() || lastQuestion, conversationOf: () => conversation?.id });
  const whole = el("a", { className: "link small-text", href: `#/new/${slug}`, textContent: t("studio.trial.whole") });
  let conversation = null;
  let lastQuestion = "";
  let stopping = new AbortController();

  function begin() {
    stopping.abort();
    stopping = new AbortController();
    conversation = null;
    log.replaceChildren(el("p", { className: "quiet trial-empty", textContent: t("studio.trial.empty", { name }) }));
  }

  function add(className, text, ...before) {
    log.querySelector(".trial-empty")?.remove();
    const shown = el("p", { className: "trial-text", textContent: text, dir: "auto" });
    log.append(el("div", { className: `trial-row ${className}` }, ...before, shown));
    log.scrollTop = log.scrollHeight;
    return shown;
  }

  async function ask() {
    const content = input.value.trim();
    if (!content || send.disabled) return;
    const { signal } = stopping;
    send.disabled = true;
    input.value = "";
    lastQuestion = content;
    add("is-ask", content);
    const reply = add("is-reply is-waiting", "…", portrait(persona, "small"));
    try {
      await follow(await post(content), reply, signal);
    } catch (problem) {
      if (signal.aborted) return;
      const isLost = problem instanceof SilentStream || problem instanceof TypeError || problem.status;
      if (!(problem instanceof Problem) && !isLost) throw problem;
      setText(reply, problem instanceof Problem ? problem.message : t("studio.trial.lost"));
      reply.parentNode.classList.add("is-failed");
    } finally {
      reply.parentNode.classList.remove("is-waiting");
      send.disabled = false;
    }
  }

  async function post(content) {
    conversation ??= await call("POST", "/conversations", { body: { persona: slug, temporary: true }, key: newKey() });
    const { request } = await call("POST", `/conversations/${conversation.id}/messages`, { body: { content }, key: newKey() });
    return request;
  }

  async function follow({ id }, reply, signal) {
    let text = "";
    for await (const event of readEvents(`/api/v1/requests/${id}/events`, signal)) {
      text = textAfter(text, event);
      if (text) {
        reply.parentNode.classList.remove("is-waiting");
        setText(reply, text);
      }
      const isNear = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
      if (isNear) log.scrollTop = log.scrollHeight;
      if (event.type === "request.failed") reply.parentNode.classList.add("is-failed");
      if (FINAL.has(event.type)) return;
    }
  }

  input.onkeydown = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    ask();
  };
  begin();
  const title = el("h3", { textContent: t("studio.trial.title", { name }) });
  return {
    node: el("section", { className: "trial", ariaLabel: t("studio.trial.title", { name }) },
      el("header", {}, title, again), el("p",
        { className: "quiet small-text", textContent: t("studio.trial.about") }), log, stale, form,
      el("p", { className: "trial-foot" }, inspect, whole)),
    /** Whether there are changes that the persona does not know of yet. */
    setStale: (isStale) => (stale.hidden = !isStale),
    stop: () => stopping.abort(),
  };
}
