// The settings of a persona that there is: changed in a form, tried out beside it.

import { Problem, call } from "../lib/api.js";
import { askFor, attempt, el, setText, toast } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { avatarField } from "./avatar.js";
import { cardLinks } from "./character.js";
import { clearFaults, showFaults } from "./faults.js";
import { button, section } from "./fields.js";
import { changesOf, personaForm, valuesOf } from "./form.js";
import { newKept } from "./kept.js";
import { trialPanel } from "./trial.js";

/** The part of a workbench. `changed(persona)` hears of what was saved, `removed()` of the end. */
export function settingsPart({ persona, voices, drafts, changed, removed }) {
  const path = `/personas/${persona.slug}`;
  const kept = newKept(drafts, `settings ${persona.slug}`);
  let saved = valuesOf(persona);
  const trial = trialPanel({ persona });
  const extra = { self: [avatarField({ persona, changed: tellChanged })] };
  const form = personaForm({ values: saved, onInput: noteChange, extra, voices });
  const status = el("p", { className: "bar-text" });
  const fault = el("p", { className: "fault", role: "alert" });
  const save = el("button", { className: "primary", textContent: t("studio.save") });
  const discard = button(t("studio.discard"), drop, "button plain");
  const bar = el("div", { className: "studio-bar", hidden: true }, el("div", {}, status, fault), discard, save);
  const whole = el("form", { className: "studio-form", noValidate: true, onsubmit: submit }, ...form.sections, endSection(), bar);

  function changes() {
    return changesOf(saved, form.values());
  }

  function noteChange() {
    const now = changes();
    const names = Object.keys(now);
    if (names.length) kept.set(now);
    else kept.clear();
    showBar(names);
  }

  function showBar(names) {
    bar.hidden = names.length === 0;
    setText(status, t("studio.draft.kept", { count: names.length }));
    trial.setStale(names.length > 0);
  }

  function drop() {
    form.set(saved);
    clearFaults(form.fields);
    setText(fault, "");
    noteChange();
    form.field("name").focus();
  }

  function tellChanged(next) {
    persona = next;
    changed(next);
  }

  async function submit(event) {
    event.preventDefault();
    const now = changes();
    if (save.disabled || Object.keys(now).length === 0) return;
    save.disabled = true;
    save.ariaBusy = "true";
    clearFaults(form.fields);
    setText(fault, "");
    try {
      for (const name of ["model", "voice"]) if (name in now) now[name] ||= null;
      const next = await call("PATCH", path, { body: now });
      saved = valuesOf(next);
      form.set(saved);
      kept.clear();
      showBar([]);
      tellChanged(next);
      toast(t("studio.saved"));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      setText(fault, showFaults(form.fields, problem));
    } finally {
      save.disabled = false;
      save.ariaBusy = "false";
    }
  }

  function endSection() {
    const remove = button(t("studio.delete.button", { name: persona.name }), () => attempt(() => confirmRemoval()), "button danger");
    return section(t("studio.delete.title"), t("studio.delete.about"), cardLinks(persona), el("div", {}, remove));
  }

  async function confirmRemoval() {
    const { name } = persona;
    const question = { title: t("studio.delete.question", { name }), text: t("studio.delete.text", { name }), yes: t("studio.delete.yes") };
    const typed = await askFor({ ...question, value: "", danger: true });
    if (typed === null) return;
    if (typed.trim() !== name.trim()) return toast(t("studio.delete.other_name"));
    await call("DELETE", path);
    kept.clear();
    removed();
  }

  const draft = kept.get();
  if (draft) {
    form.set(draft);
    noteChange();
  }
  return {
    node: el("div", { className: "studio-columns" }, whole, trial.node),
    hasUnsaved: () => Object.keys(changes()).length > 0,
    leave() {
      kept.end();
      trial.stop();
    },
  };
}
