// One's own personas: where the studio begins.

import { Problem } from "../lib/api.js";
import { el } from "../lib/dom.js";
import { formatDate, t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";
import { characterDrop } from "./character.js";
import { button } from "./fields.js";
import { portrait } from "./portrait.js";

export function shelfView({ personas }) {
  const list = el("div", { className: "shelf", role: "group", ariaLabel: t("studio.shelf.title") });
  const status = el("p", { className: "quiet", role: "status" });
  const drop = characterDrop({ personas });
  const make = el("a", { className: "primary", href: "#/studio/new" }, icon("sparkles"),
    el("span", { textContent: t("studio.make.link") }));
  const lead = el("header", { className: "studio-lead with-action" },
    el("div", {}, el("h2", { textContent: t("studio.shelf.title") }),
      el("p", { className: "quiet", textContent: t("studio.shelf.about") })), make);

  async function read() {
    list.replaceChildren(...Array.from({ length: 3 }, () => el("p", { className: "skeleton card-skeleton", ariaHidden: "true" })));
    try {
      if (personas.hasMore() !== false) await personas.readAll();
      render();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      list.replaceChildren();
      status.replaceChildren(el("span", { className: "fault", textContent: problem.message }), " ", button(t("common.retry"), read));
    }
  }

  function render() {
    const own = personas.list().filter(({ owned }) => owned);
    status.replaceChildren();
    list.replaceChildren(...own.map(card));
    if (own.length === 0) list.replaceChildren(empty());
    make.hidden = own.length === 0;
  }

  read();
  return { node: el("div", { className: "studio-page narrow" }, lead, status, list, drop), leave: () => {} };
}

function empty() {
  return el("div", { className: "empty studio-empty" }, icon("sparkles"), el("strong", { textContent: t("studio.shelf.empty") }),
    el("p", { textContent: t("studio.shelf.empty_about") }),
    el("a", { className: "primary", href: "#/studio/new" }, icon("sparkles"), el("span", { textContent: t("studio.make.link") })));
}

function card(persona) {
  const { slug, name, description, visibility, updated_at: updated, hidden_at: hidden } = persona;
  const words = el("span", { className: "words" }, el("strong", { textContent: name, dir: "auto", className: "aligned" }),
    el("span", { className: "quiet about aligned", textContent: description, dir: "auto", hidden: !description }),
    el("span", { className: "quiet fine-text", textContent: [t(hidden ? "studio.shelf.hidden" : `studio.visibility.${visibility}.label`),
      t("studio.shelf.changed", { date: formatDate(updated, { dateStyle: "medium" }) })].join(" · ") }));
  const open = el("a", { className: "persona", href: `#/studio/${slug}/settings` }, portrait(persona), words);
  const links = [["message", "talk", `#/new/${slug}`],
    ["book", "interview", `#/studio/${slug}/interview`]].map(([image, what, href]) => {
    const label = t(`studio.shelf.${what}`, { name });
    return el("a", { className: "button small plain", href, ariaLabel: label, title: label }, icon(image, "small"),
      el("span", { textContent: t(`studio.shelf.${what}_short`) }));
  });
  return el("article", { className: "shelf-card" }, open, el("p", { className: "shelf-links" }, ...links));
}
