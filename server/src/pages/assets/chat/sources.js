// Receipts: what a reply drew on. The passages themselves are the persona's owner's to read. Loaded when first opened.

import { Problem, call } from "../lib/api.js";
import { el, setText } from "../lib/dom.js";
import { formatNumber, t } from "../lib/i18n.js";
import { openPanel } from "../lib/panel.js";

/** Of the reply to a request; `name` is the persona's. */
export async function openSources({ name, request }) {
  const { body } = openPanel(t("chat.sources.title"));
  const about = el("p", { className: "quiet", textContent: t("chat.reading") });
  body.append(about);
  try {
    const { mode, withheld, sources } = await call("GET", `/requests/${request}/sources`);
    setText(about, t("chat.sources.about", { name, mode: t(`chat.sources.mode.${mode}`) }));
    body.append(el("ol", { className: "sources" }, ...sources.map((source) => sourceRow(source, withheld, name))));
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    setText(about, problem.message);
  }
}

function sourceRow({ source_kind, score, passage }, withheld, name) {
  const title = el("strong", { textContent: passage ? titleOf(passage) : t(`chat.sources.kind.${source_kind}`), dir: "auto" });
  const shown = formatNumber(score, { maximumSignificantDigits: 2 });
  const relevance = el("span", { className: "quiet", textContent: t("chat.sources.score", { score: shown }) });
  const missing = withheld ? t("chat.sources.owner_only", { name }) : t("chat.sources.changed");
  const text = el("blockquote", { className: "passage", dir: "auto", textContent: passage ? textOf(passage) : missing });
  return el("li", {}, el("details", { className: "source" }, el("summary", {}, title, relevance), text));
}

/** A question is the heading of its answer, and its first line. */
const textOf = ({ title, content }) => (content.startsWith(`${title}\n\n`) ? content.slice(title.length).trimStart() : content);

const titleOf = ({ title, place: { headings, page } }) =>
  [...new Set([title, ...headings]), ...(page ? [t("chat.sources.page", { page })] : [])].join(" · ");
