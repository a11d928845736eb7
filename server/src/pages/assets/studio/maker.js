// Where a persona is made: who it will be, and the few things that it needs to begin.

import { Problem, call, newKey } from "../lib/api.js";
import { el, setText } from "../lib/dom.js";
import { language, t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";
import { clearFaults, showFaults } from "./faults.js";
import { DEFAULTS, changesOf, isStart, personaForm } from "./form.js";
import { newKept } from "./kept.js";
import { suggestSlug } from "./slug.js";
import { STARTS, startText } from "./starts.js";

export function makerView({ personas, drafts }) {
  const kept = newKept(drafts, "new");
  const initial = { ...DEFAULTS, languages: [language()], system_prompt: startText("kin", ""), remembers: true };
  let start = "kin";
  let nameBefore = "";
  let key = newKey();
  const form = personaForm({ values: initial, isNew: true, folded: ["engine"], onInput: noteChange });
  const fault = el("p", { className: "fault", role: "alert" });
  const make = el("button", { className: "primary", textContent: t("studio.make.submit") });
  const status = el("p", { className: "bar-text", textContent: t("studio.draft.kept_here") });
  const cards = STARTS.map(startCard);
  const slug = form.field("slug");
  const whole = el("form", { className: "studio-form", noValidate: true, onsubmit: submit }, ...form.sections,
    el("div", { className: "studio-bar studio-end" }, el("div", {}, status, fault), make));

  function startCard({ name, icon: image }) {
    return el("button", { type: "button", className: "start", onclick: () => choose(name) }, icon(image),
      el("strong", { textContent: t(`studio.start.${name}.label`) }), el("span",
        { className: "quiet", textContent: t(`studio.start.${name}.about`) }));
  }

  /** Another beginning takes the place of the text only where nobody has written in it. */
  function choose(name) {
    const prompt = form.field("system_prompt");
    const text = prompt.get();
    if (!text.trim() || isStart(text, nameBefore)) prompt.set(startText(name, nameBefore));
    start = name;
    showStart();
    noteChange("system_prompt");
    form.field("name").focus();
  }

  const showStart = () => cards.forEach((card, at) => (card.ariaPressed = String(STARTS[at].name === start)));

  function noteChange(changedField) {
    if (changedField === "name") followName();
    // Another try with other words is another call.
    key = newKey();
    kept.set({ start, values: changesOf(initial, form.values()) });
    setText(status, t("studio.draft.kept_here"));
  }

  function followName() {
    const name = form.field("name").get();
    const prompt = form.field("system_prompt");
    if (prompt.get().trim() === startText(start, nameBefore)) prompt.set(startText(start, name));
    if (slug.get() === suggestSlug(nameBefore)) slug.set(suggestSlug(name));
    nameBefore = name;
  }

  async function submit(event) {
    event.preventDefault();
    if (make.disabled) return;
    make.disabled = true;
    make.ariaBusy = "true";
    clearFaults(form.fields);
    setText(fault, "");
    try {
      const values = form.values();
      const body = { ...values, model: values.model || null, chain: values.chain.length ? values.chain : null };
      const persona = await call("POST", "/personas", { body, key });
      kept.clear();
      personas.put(persona);
      // Next comes what makes it somebody: the interview.
      location.replace(`#/studio/${persona.slug}/interview`);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      key = newKey();
      setText(fault, showFaults(form.fields, problem));
    } finally {
      make.disabled = false;
      make.ariaBusy = "false";
    }
  }

  const draft = kept.get();
  if (draft) {
    start = draft.start;
    form.set(draft.values);
    nameBefore = form.field("name").get();
    setText(status, t("studio.draft.found"));
  }
  showStart();
  const lead = el("header", { className: "studio-lead" }, el("h2", { textContent: t("studio.make.title") }),
    el("p", { className: "quiet", textContent: t("studio.make.about") }));
  return {
    node: el("div", { className: "studio-page narrow" }, back(), lead,
      el("div", { className: "starts", role: "group", ariaLabel: t("studio.start.choose") }, ...cards), whole),
    hasUnsaved: () => Boolean(kept.get() && Object.keys(kept.get().values).length),
    leave: kept.end,
  };
}

export const back = () => el("a", { className: "studio-back", href: "#/studio" }, icon("back", "small", "turns"),
  el("span", { textContent: t("studio.back") }));
