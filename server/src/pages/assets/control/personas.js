// Moderation of personas: everybody's, found by their names, hidden with a reason, and shown again.

import { call } from "../lib/api.js";
import { el, toast } from "../lib/dom.js";
import { formatRelative, t } from "../lib/i18n.js";
import { ask } from "./dialogs.js";
import { idNode, menuButton, newPanel, queryOf, rowButton, state } from "./parts.js";
import { newFilters, newPages, newTable } from "./table.js";

const VISIBILITIES = ["public", "link", "private"];
const PATH = "/admin/personas";

export function personasSection({ canChange }) {
  const filters = newFilters([
    { name: "search", label: t("control.personas.search") },
    {
      name: "visibility", label: t("control.personas.visibility"),
      options: [["", t("control.personas.any_visibility")], ...VISIBILITIES.map((each) => [each, t(`control.visibility.${each}`)])],
    },
    {
      name: "hidden", label: t("control.personas.state"),
      options: [["", t("control.personas.any_state")], ["true", t("control.personas.hidden")], ["false", t("control.personas.shown")]],
    },
    { name: "owner", label: t("control.personas.owner") },
  ], () => panel.refresh());
  const changed = () => panel.refresh();
  const table = newTable({
    caption: t("control.personas.title"), none: t("control.personas.none"), noneIcon: "users", keyOf: ({ id }) => id,
    columns: [
      { title: t("control.personas.persona"), kind: "wide", show: personaCell },
      { title: t("control.personas.visibility"), text: ({ visibility }) => t(`control.visibility.${visibility}`) },
      { title: t("control.personas.owner"), show: ({ owner_id: owner }) => idNode(owner) },
      { title: t("control.personas.state"), show: stateCell },
      canChange && { kind: "acts", show: (persona) => actionsOf(persona, changed) },
    ],
  });
  const pages = newPages((after) => PATH + queryOf({ ...filters.values(), after }), table.fill);
  const panel = newPanel(
    {
      title: t("control.personas.title"), about: t("control.personas.about"), content: [filters.node, table.node, pages.more],
      read: pages.read,
    },
  );
  return { nodes: [panel.node], read: panel.refresh };
}

const personaCell = ({ name, slug, description }) => el("div", { className: "stack" },
  el("span", {}, el("strong", { textContent: name, dir: "auto" }), " ", el("code", { className: "quiet", textContent: slug, dir: "ltr" })),
  el("span", { className: "quiet clamp", textContent: description, dir: "auto" }));

function stateCell({ hidden_at: hidden, hidden_reason: reason }) {
  if (!hidden) return state("good", t("control.personas.shown"));
  return el("div", { className: "stack" }, state("danger", t("control.personas.hidden")),
    el("span", { className: "quiet clamp", textContent: `${reason} · ${formatRelative(hidden)}`, dir: "auto" }));
}

function actionsOf(persona, changed) {
  const act = persona.hidden_at
    ? rowButton(t("control.personas.unhide"), persona.name, () => unhide(persona, changed))
    : rowButton(t("control.personas.hide"), persona.name, () => hide(persona, changed));
  const more = menuButton(
    t("control.acts_on", { name: persona.name }),
    () => [{ icon: "trash", text: t("control.delete"), danger: true, run: () => remove(persona, changed) }],
  );
  return [el("div", { className: "acts-row" }, act, more)];
}

async function hide(persona, changed) {
  const done = await ask({
    title: t("control.personas.hide_title", { name: persona.name }), text: t("control.personas.hide_text"), yes: t("control.personas.hide"),
    danger: true,
    fields: [
      { name: "reason", label: t("control.personas.reason"), help: t("control.personas.reason_help"), maxLength: 500, required: true },
    ],
    send: ({ reason }) => call("POST", `${PATH}/${persona.slug}/hide`, { body: { reason } }),
  });
  if (!done) return;
  toast(t("control.personas.hide_done", { name: persona.name }));
  await changed();
}

async function unhide(persona, changed) {
  await call("POST", `${PATH}/${persona.slug}/unhide`);
  toast(t("control.personas.unhide_done", { name: persona.name }));
  await changed();
}

/** Asks twice: all conversations with it go too. */
async function remove(persona, changed) {
  const first = await ask(
    {
      title: t("control.personas.delete_title", { name: persona.name }), text: t("control.personas.delete_text"), yes: t("control.go_on"),
      danger: true,
    },
  );
  if (!first) return;
  const second = await ask({
    title: t("control.personas.delete_sure", { name: persona.name }), text: t("control.no_way_back"), yes: t("control.delete"),
    danger: true,
    send: () => call("DELETE", `${PATH}/${persona.slug}`),
  });
  if (second) await changed();
}
