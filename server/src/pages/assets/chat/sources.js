// Receipts: what a reply drew on. The passages themselves are the persona's owner's to read. Loaded when first opened.

import { Problem, call } from "../lib/api.js";
import { el, setText } from "../lib/dom.js";
import { formatNumber, t } from "../lib/i18n.js";
import { openPanel } from "./panel.js";

const MAX_PASSAGES = 50;
const MAX_QUERY = 1_000;

/** `question` is what was asked, `retrieval` the receipt of the reply to it. */
export function openSources({ persona, question, retrieval }) {
  const { body } = openPanel(t("chat.sources.title"));
  const { mode, sources } = retrieval;
  const about = t("chat.sources.about", { name: persona.name, mode: t(`chat.sources.mode.${mode}`) });
  const passages = onceOnly(() => readPassages(persona, question));
  const titles = new Map();
  const rows = sources.map((source) => el("li", {}, sourceRow(source, { persona, passages, titles })));
  body.append(el("p", { className: "quiet", textContent: about }), el("ol", { className: "sources" }, ...rows));
}

function sourceRow(source, reading) {
  const kind = t(`chat.sources.kind.${source.source_kind}`);
  const title = el("strong", { textContent: kind, dir: "auto" });
  const shown = formatNumber(source.score, { maximumSignificantDigits: 2 });
  const score = el("span", { className: "quiet", textContent: t("chat.sources.score", { score: shown }) });
  const text = el("blockquote", { className: "passage", dir: "auto", textContent: t("chat.reading") });
  const node = el("details", { className: "source" }, el("summary", {}, title, score), text);
  node.addEventListener("toggle", () => {
    if (node.open && !node.isRead) fill(node, title, text, source, reading);
  });
  return node;
}

async function fill(node, title, text, source, { persona, passages, titles }) {
  node.isRead = true;
  // Others than its owner are told of a passage, but not what is in it.
  if (!persona.owned) return setText(text, t("chat.sources.owner_only", { name: persona.name }));
  try {
    const found = (await passages()).find(({ passage_id }) => passage_id === source.passage_id);
    if (!found) return setText(text, t("chat.sources.changed"));
    setText(text, found.content);
    setText(title, await titleOf(persona, source, found.place, titles));
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    node.isRead = false;
    setText(text, problem.message);
  }
  return undefined;
}

/** The passages that are found for the question now, by which those of the receipt are known. */
async function readPassages({ slug }, question) {
  const query = encodeURIComponent(Array.from(question).slice(0, MAX_QUERY).join(""));
  const { passages } = await call("GET", `/personas/${encodeURIComponent(slug)}/knowledge/search?q=${query}&limit=${MAX_PASSAGES}`);
  return passages;
}

async function titleOf({ slug }, { source_kind, source_id }, { headings = [], page }, titles) {
  const where = [...headings, ...(page ? [t("chat.sources.page", { page })] : [])];
  if (source_kind !== "document") return [t("chat.sources.kind.response"), ...where].join(" · ");
  const path = `/personas/${encodeURIComponent(slug)}/documents/${source_id}`;
  if (!titles.has(source_id)) titles.set(source_id, call("GET", path).catch(() => null));
  const document = await titles.get(source_id);
  return [document?.title ?? t("chat.sources.kind.document"), ...where].join(" · ");
}

/** One reading for all rows; after a failure, another. */
function onceOnly(read) {
  let reading = null;
  return () => (reading ??= read().catch((problem) => {
    reading = null;
    throw problem;
  }));
}
