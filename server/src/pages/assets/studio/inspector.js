// What the model is told for a question: the whole prompt, piece by piece, with what each of them takes of the room.

import { openPanel } from "../chat/panel.js";
import { Problem, call } from "../lib/api.js";
import { el, setText, toast } from "../lib/dom.js";
import { hasText, t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";

/** What is shorter is open at once. */
const MAX_OPEN_TOKENS = 60;

/** Opens the inspector for the question of `questionOf()`. Where the server has none, the button goes. */
export function inspectorButton({ slug, questionOf }) {
  const open = el("button", { type: "button", className: "button small plain" }, icon("info", "small"),
    el("span", { textContent: t("studio.inspect.open") }));
  open.onclick = async () => {
    open.disabled = true;
    try {
      const question = questionOf() || t("studio.inspect.example");
      showPrompt(await call("POST", `/personas/${slug}/inspect`, { body: { question } }), question);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (problem.status === 404 || problem.status === 405) open.hidden = true;
      toast(open.hidden ? t("studio.inspect.missing") : problem.message);
    } finally {
      open.disabled = false;
    }
  };
  return open;
}

const kindText = (kind) => (hasText(`studio.inspect.kind.${kind}`) ? t(`studio.inspect.kind.${kind}`) : kind);

function showPrompt({ sections, total_tokens: total, budget }, question) {
  const { body } = openPanel(t("studio.inspect.title"));
  const about = el("p", { className: "quiet", dir: "auto" });
  setText(about, t("studio.inspect.about", { question }));
  const room = el("p", {}, el("strong", { textContent: t("studio.inspect.total", { total, budget }) }));
  const scale = el("div", { className: "inspect-scale", ariaHidden: "true" }, ...sections.map(({ tokens }, at) => {
    const piece = el("span", { className: `of-${at % 5}` });
    piece.style.setProperty("flex-grow", tokens);
    return piece;
  }));
  const free = el("span", { className: "is-free" });
  free.style.setProperty("flex-grow", Math.max(0, budget - total));
  scale.append(free);
  body.append(about, room, scale, el("ol", { className: "sources" }, ...sections.map(sectionRow)));
}

function sectionRow({ kind, title, text, tokens }, at) {
  const heading = el("strong", { textContent: title || kindText(kind), dir: "auto" });
  const share = el("span",
    { className: "quiet", textContent: `${title ? `${kindText(kind)} · ` : ""}${t("studio.tokens", { count: tokens })}` });
  const summary = el("summary", {}, el("span", { className: `plot-key of-${at % 5}`, ariaHidden: "true" }), heading, share);
  const shown = el("blockquote", { className: "passage", dir: "auto", textContent: text });
  return el("li", {}, el("details", { className: "source", open: tokens < MAX_OPEN_TOKENS }, summary, shown));
}
