// What the model is told for a question: the whole prompt in its order, piece by piece, with the tokens of each.

import { loreReceipt } from "../chat/lore.js";
import { Problem, call } from "../lib/api.js";
import { el, toast } from "../lib/dom.js";
import { formatNumber, hasText, t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";
import { openSheet } from "../lib/panel.js";

/** A group that is longer is closed at first. */
const MAX_OPEN_TOKENS = 400;
/** What was looked up for the question. */
const MARKS = { passage: "book", memory: "memory", lore: "sparkles" };

/** A button that opens the inspector, for the question and in the conversation that are given when it is pressed. */
export function inspectorButton({ slug, questionOf, conversationOf }) {
  const open = el("button", { type: "button", className: "button small plain" }, icon("info", "small"),
    el("span", { textContent: t("studio.inspect.open") }));
  open.onclick = async () => {
    open.disabled = true;
    open.ariaBusy = "true";
    try {
      const question = questionOf() || t("studio.inspect.example");
      const conversation = conversationOf();
      const body = { question, ...(conversation && { conversation_id: conversation }) };
      await showPrompt(await call("POST", `/personas/${slug}/inspect`, { body }), question);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      toast(problem.message);
    } finally {
      open.disabled = false;
      open.ariaBusy = null;
    }
  };
  return open;
}

/** Neighbours of one kind are a group: `{kind, tokens, sections}`. */
export function groupsOf(sections) {
  const groups = [];
  for (const section of sections) {
    if (groups.at(-1)?.kind !== section.kind) groups.push({ kind: section.kind, tokens: 0, sections: [] });
    groups.at(-1).sections.push(section);
    groups.at(-1).tokens += section.tokens;
  }
  return groups;
}

async function showPrompt({ sections, total_tokens: total, budget, left_out: left, lore, retrieval }, question) {
  const groups = groupsOf(sections);
  const mode = `studio.search.mode.${retrieval}`;
  const notes = [left > 0 && t("studio.inspect.left_out", { count: left }), retrieval && retrieval !== "none" && hasText(mode) && t(mode)].filter(Boolean);
  openSheet(t("studio.inspect.title"),
    el("p", { className: "quiet", dir: "auto", textContent: t("studio.inspect.about", { question }) }),
    el("div", { className: "inspect-room" }, el("strong", { textContent: t("studio.inspect.total", { total, budget }) }), scale(groups, total, budget),
      ...notes.map((textContent) => el("p", { className: "quiet small-text", textContent }))),
    el("div", { className: "inspect-groups" }, ...groups.map(groupNode)), ...(await loreReceipt({ entries: lore })));
}

/** How much of the room each group takes. */
function scale(groups, total, budget) {
  const piece = (className, tokens) => {
    const node = el("span", { className });
    node.style.setProperty("flex-grow", tokens);
    return node;
  };
  return el("div", { className: "inspect-scale", ariaHidden: "true" }, ...groups.map(({ kind, tokens }) => piece(`of-${kind}`, tokens)),
    piece("is-free", Math.max(0, budget - total)));
}

function groupNode({ kind, tokens, sections }) {
  const count = sections.length > 1 ? [el("span", { className: "chip tiny", textContent: formatNumber(sections.length) })] : [];
  const mark = MARKS[kind] ? [icon(MARKS[kind], "small")] : [];
  const summary = el("summary", {}, el("span", { className: `inspect-key of-${kind}`, ariaHidden: "true" }), ...mark,
    el("strong", { textContent: t(`studio.inspect.kind.${kind}`) }), ...count,
    el("span", { className: "quiet", textContent: t("studio.tokens", { count: tokens }) }));
  return el("details", { className: "source inspect-group", open: tokens <= MAX_OPEN_TOKENS }, summary, ...sections.map((section) => piece(section, kind)));
}

/** Who says it is told where the kind does not tell it. */
function piece({ role, title, text }, kind) {
  const says = kind === "history" || kind === "examples" ? t(`studio.inspect.role.${role}`) : "";
  const head = [title, says].filter(Boolean).join(" · ");
  return el("div", { className: `inspect-piece is-${role}` }, ...(head ? [el("p", { className: "quiet small-text", textContent: head, dir: "auto" })] : []),
    el("blockquote", { className: "passage", dir: "auto", textContent: text }));
}
