// What a question would find: the passages that a reply would be told, with how well they fit.

import { Problem, call } from "../lib/api.js";
import { el, setText } from "../lib/dom.js";
import { formatNumber, t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";
import { section } from "./fields.js";

const MAX_FOUND = 10;

/** What is said of a passage: where it is from, and how it was found. */
export function aboutPassage({ source_kind: kind, keyword_rank: words, vector_rank: meaning, similarity }) {
  const about = [t(`studio.search.kind.${kind}`)];
  if (words) about.push(t("studio.search.by_words", { rank: words }));
  const share = formatNumber(similarity ?? 0, { style: "percent", maximumFractionDigits: 0 });
  if (meaning) about.push(t("studio.search.by_meaning", { rank: meaning, share }));
  return about.join(" · ");
}

export function searchSection({ slug, name }) {
  const label = t("studio.search.label");
  const input = el("input", {
    className: "input", type: "search", maxLength: 500, dir: "auto", autocomplete: "off", enterKeyHint: "search", ariaLabel: label, placeholder: label,
  });
  const status = el("p", { className: "quiet", role: "status" });
  const found = el("ol", { className: "sources found-passages" });
  const submit = el("button", { className: "button", textContent: t("studio.search.submit") });
  const form = el("form", { className: "search-form" }, el("label", { className: "search" }, icon("search", "small"), input), submit);

  form.onsubmit = async (event) => {
    event.preventDefault();
    const question = input.value.trim();
    if (!question) return input.focus();
    submit.disabled = true;
    setText(status, t("studio.reading"));
    try {
      const { mode, passages } = await call("GET",
        `/personas/${slug}/knowledge/search?q=${encodeURIComponent(question)}&limit=${MAX_FOUND}`);
      setText(status, passages.length ? t(`studio.search.mode.${mode}`) : t("studio.search.none", { name }));
      found.replaceChildren(...passages.map(passageRow));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      setText(status, problem.message);
      found.replaceChildren();
    } finally {
      submit.disabled = false;
    }
    return undefined;
  };

  return section(t("studio.search.title"), t("studio.search.about", { name }), form, status, found);
}

function passageRow(passage) {
  const score = el("span",
    { className: "quiet", textContent: t("studio.search.score",
      { score: formatNumber(passage.score, { maximumSignificantDigits: 2 }) }) });
  const head = el("p", { className: "passage-head" }, el("strong", { textContent: aboutPassage(passage) }), score);
  return el("li", { className: "source" }, head, el("blockquote", { className: "passage", dir: "auto", textContent: passage.content }));
}
