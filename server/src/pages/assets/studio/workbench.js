// One persona on the bench: its head, and the part of it that is worked on.

import { Problem, call } from "../lib/api.js";
import { el, setText, toast } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";
import { readVoices } from "../lib/voices.js";
import { insightsPart } from "./insights.js";
import { interviewPart } from "./interview.js";
import { knowledgePart } from "./knowledge.js";
import { lorebookPart } from "./lorebook.js";
import { back } from "./maker.js";
import { portrait } from "./portrait.js";
import { settingsPart } from "./settings.js";
import { versionsPart } from "./versions.js";

const PARTS = {
  settings: { icon: "edit", make: settingsPart },
  interview: { icon: "book", make: interviewPart },
  knowledge: { icon: "folder", make: knowledgePart },
  lorebook: { icon: "key", make: lorebookPart },
  insights: { icon: "queue", make: insightsPart },
  versions: { icon: "clock", make: versionsPart },
};

/** Of the persona with this slug, if it is one's own. */
export async function openWorkbench(slug, parts) {
  try {
    const [persona, voices] = await Promise.all([call("GET", `/personas/${slug}`), readVoices()]);
    return persona.owned ? workbench(persona, { ...parts, voices }) : { node: missing(t("studio.not_yours")) };
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    return { node: missing(problem.message) };
  }
}

const missing = (text) => el("div", { className: "studio-page" }, back(),
  el("div", { className: "empty" }, icon("users"), el("p", { textContent: text })));

function workbench(persona, { personas, drafts, voices }) {
  const { slug } = persona;
  let shown = null;
  const picture = el("span", { className: "bench-picture" });
  const name = el("h2", { dir: "auto", tabIndex: -1 });
  const line = el("p", { className: "quiet" });
  const links = new Map(Object.entries(PARTS).map(([part, { icon: image }]) =>
    [part,
      el("a", { href: `#/studio/${slug}/${part}` }, icon(image, "small"), el("span", { textContent: t(`studio.part.${part}`) }))]));
  const nav = el("nav", { className: "bench-parts", ariaLabel: t("studio.parts") }, ...links.values());
  const talk = el("a", { className: "button", href: `#/new/${slug}`, ariaLabel: t("studio.talk"), title: t("studio.talk") }, icon("message", "small"),
    el("span", { textContent: t("studio.talk") }));
  const head = el("header", { className: "bench-head" }, picture, el("div", { className: "bench-name" }, name, line), talk);
  const body = el("div", { className: "bench-body" });

  function showHead() {
    picture.replaceChildren(portrait(persona, "large"));
    setText(name, persona.name);
    const words = [t(persona.hidden_at ? "studio.shelf.hidden" : `studio.visibility.${persona.visibility}.label`),
      persona.hidden_reason, `/${slug}`];
    setText(line, words.filter(Boolean).join(" · "));
  }

  function changed(next) {
    persona = next;
    personas.put(next);
    showHead();
  }

  function removed() {
    shown = null;
    personas.remove(slug);
    toast(t("studio.delete.done", { name: persona.name }));
    location.replace("#/studio");
  }

  function open(wanted) {
    const part = PARTS[wanted] ? wanted : "settings";
    if (shown?.part === part) return;
    leavePart(true);
    for (const [each, link] of links) {
      if (each === part) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    shown = { part, address: `#/studio/${slug}/${part}`, ...PARTS[part].make({ persona, voices, drafts, changed, removed }) };
    body.replaceChildren(shown.node);
    links.get(part).scrollIntoView?.({ block: "nearest", inline: "nearest" });
  }

  function leavePart(isRemaining) {
    if (isRemaining && shown?.hasUnsaved?.()) {
      const { address } = shown;
      toast(t("studio.draft.left"), { action: { text: t("studio.draft.back"), run: () => (location.hash = address) } });
    }
    shown?.leave?.();
    shown = null;
  }

  showHead();
  return {
    node: el("div", { className: "studio-page" }, back(), head, nav, body),
    open,
    hasUnsaved: () => Boolean(shown?.hasUnsaved?.()),
    leave: () => leavePart(false),
  };
}
