// How a persona does: what it is made of, what people think of its replies, and what a model could be trained with.

import { Problem, call } from "../lib/api.js";
import { el } from "../lib/dom.js";
import { formatDate, formatNumber, t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";
import { bars } from "./bars.js";
import { button, section } from "./fields.js";
import { categoryText } from "./question_list.js";

const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

export function insightsPart({ persona }) {
  const { slug, name } = persona;
  const body = el("div", { className: "insights" }, el("p", { className: "quiet", role: "status", textContent: t("studio.reading") }));

  async function read() {
    try {
      const path = `/personas/${slug}`;
      const progress = call("GET", `${path}/analytics?timezone=${encodeURIComponent(ZONE)}`);
      show(...(await Promise.all([progress, call("GET", `${path}/knowledge`)])));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      body.replaceChildren(el("p", { role: "status" }, el("span", { className: "fault", textContent: problem.message }), " ",
        button(t("common.retry"), read)));
    }
  }

  function show(progress, { passages }) {
    const { ratings: { up, down }, words, answered, total, streak, last_answer_at: last, categories } = progress;
    const figures = [
      ["check", t("studio.interview.of", { done: answered, total }), t("studio.insights.answers")],
      ["edit", formatNumber(words), t("studio.insights.words")],
      ["book", formatNumber(passages), t("studio.insights.passages")],
      ["sun", formatNumber(streak.longest), t("studio.insights.streak")],
    ];
    const since = last ? t("studio.insights.last", { date: formatDate(last, { dateStyle: "long" }) }) : "";
    body.replaceChildren(
      el("div", { className: "figures" }, ...figures.map(figure)), el("p", { className: "quiet", textContent: since, hidden: !since }),
      ratings(up, down), ...byCategory(categories.filter((each) => each.answered + each.drafts > 0)), training(slug),
    );
  }

  function ratings(up, down) {
    const all = up + down;
    const share = (part) => formatNumber(part / all, { style: "percent", maximumFractionDigits: 0 });
    if (all === 0) return section(t("studio.insights.ratings"), t("studio.insights.no_ratings", { name }));
    const points = [[t("studio.insights.good"), up], [t("studio.insights.bad"), down]];
    return section(t("studio.insights.ratings"), t("studio.insights.liked", { count: all, share: share(up) }),
      bars({ title: t("studio.insights.ratings"), series: [{ name: t("studio.insights.ratings"), points }] }));
  }

  function byCategory(categories) {
    if (categories.length === 0) return [];
    const of = (value) => categories.map((each) => [categoryText(each.category), each[value]]);
    return [el("section", { className: "studio-section" }, el("h3", { textContent: t("studio.insights.categories") }),
      bars({ title: t("studio.insights.by_answers"), series: [
        { name: t("studio.insights.answered"), points: of("answered") }, { name: t("studio.insights.asked"), points: of("total") }] }),
      bars({ title: t("studio.insights.by_words"), series: [{ name: t("studio.insights.words"), points: of("words") }] }))];
  }

  read();
  return { node: el("div", { className: "studio-single" }, body) };
}

const figure = ([image, number, label]) => el("p", { className: "figure" },
  icon(image), el("strong", { textContent: number }), el("span", { className: "quiet", textContent: label }));

function training(slug) {
  const href = `/api/v1/personas/${slug}/training.jsonl`;
  const link = el("a", { className: "button small", href, download: `${slug}-training.jsonl`, textContent: t("studio.training.save") });
  return section(t("studio.training.title"), t("studio.training.about"), el("p", {}, link));
}
