// The gallery of personas: where a conversation begins.

import { Problem } from "../lib/api.js";
import { attempt, el, paintAvatar, reconcile, setText } from "../lib/dom.js";
import { formatLanguage, onLanguageChange, t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";
import { commonTags, matching, tagsOf } from "./personas.js";

/** So few are seen at a glance: no search, no tags. */
const FEW = 6;
const LANGUAGE_TAG = /^[a-z]{2,3}(-[a-zA-Z0-9]+)*$/;

const tagText = (tag) => (LANGUAGE_TAG.test(tag) ? formatLanguage(tag) : tag);

function greetingKey(hour) {
  if (hour < 5) return "side.greeting.night";
  if (hour < 12) return "side.greeting.morning";
  return hour < 18 ? "side.greeting.afternoon" : "side.greeting.evening";
}

/** Fills the gallery in `root` (index.html has its parts); `show` is to be called when it comes into sight. */
export function startGallery({ root, user, personas }) {
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const [search, tags, list, empty, more] = ["search", "tags", "list", "empty", "more"].map(part);
  const clear = empty.querySelector("button");
  const chosen = new Set();
  let fault = "";

  function render() {
    setText(part("greeting"), t(greetingKey(new Date().getHours()), { name: user.name }));
    const all = personas.list();
    const loaded = personas.hasMore() !== undefined;
    const found = matching(all, search.value, chosen);
    part("tools").hidden = all.length <= FEW && !search.value && chosen.size === 0;
    renderTags(commonTags(all));
    reconcile(list, found.map((persona) => ({ key: persona.slug, ...persona })), makeCard, updateCard);
    list.ariaBusy = String(!loaded && !fault);
    part("skeletons").hidden = loaded || Boolean(fault);
    empty.hidden = (!loaded && !fault) || found.length > 0;
    setText(empty.querySelector("p"), fault || t(all.length ? "side.gallery.none_found" : "side.gallery.none"));
    setText(clear, t(fault ? "common.retry" : "side.gallery.clear"));
    clear.hidden = !fault && all.length === 0;
    more.hidden = !personas.hasMore();
  }

  function renderTags(names) {
    tags.hidden = names.length < 2;
    const rows = names.map((tag) => ({ key: tag, tag }));
    const make = ({ tag }) => el("button", { type: "button", className: "chip", onclick: () => choose(tag) });
    reconcile(tags, rows, make, (node, { tag }) => {
      setText(node, tagText(tag));
      node.ariaPressed = String(chosen.has(tag));
    });
  }

  function choose(tag) {
    if (!chosen.delete(tag)) chosen.add(tag);
    lookThroughAll();
  }

  /** A filter counts for personas on pages that are not read yet, too. */
  function lookThroughAll() {
    render();
    if (search.value || chosen.size) attempt(() => personas.readAll());
  }

  /** The first page. Without it there is nothing to show, so its failure stands where the personas would. */
  async function readFirst() {
    if (personas.hasMore() !== undefined) return;
    try {
      await personas.readMore();
      fault = "";
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      fault = problem.message;
    }
    render();
  }

  search.addEventListener("input", lookThroughAll);
  more.addEventListener("click", () => attempt(() => personas.readMore()));
  clear.addEventListener("click", () => {
    if (fault) return readFirst();
    search.value = "";
    chosen.clear();
    render();
    return search.focus();
  });
  addEventListener("online", readFirst);
  const readOn = ([{ isIntersecting }]) => isIntersecting && personas.hasMore() && attempt(() => personas.readMore());
  new IntersectionObserver(readOn).observe(more);
  personas.onChange(render);
  onLanguageChange(render);
  return {
    show() {
      render();
      readFirst();
    },
  };
}

function makeCard({ slug }) {
  const words = el("span", { className: "words" },
    el("strong", { className: "aligned", dir: "auto" }), el("span", { className: "quiet about aligned", dir: "auto" }),
    el("span", { className: "tags" }));
  const avatar = el("span", { className: "avatar", ariaHidden: "true" });
  const edit = el("a", { className: "tool edit", href: `#/studio/${encodeURIComponent(slug)}/settings`, hidden: true }, icon("edit", "small"));
  return el("div", { className: "place" }, el("a", { className: "persona", href: `#/new/${encodeURIComponent(slug)}` }, avatar, words), edit);
}

function updateCard(node, persona) {
  const [card, edit] = node.children;
  const [name, about, tags] = card.lastChild.children;
  paintAvatar(card.firstChild, persona.name, persona.slug, persona.avatar_url);
  edit.hidden = !persona.owned;
  edit.ariaLabel = edit.title = persona.owned ? t("side.gallery.edit", { name: persona.name }) : "";
  setText(name, persona.name);
  setText(about, persona.description ?? "");
  tags.replaceChildren(...tagsOf(persona).map((tag) => el("span", { className: "chip tiny", textContent: tagText(tag) })));
  tags.hidden = tags.childElementCount === 0;
}
