// Tiers: how often their users may call, how their replies share the workers, and which models speak to them.

import { call } from "../lib/api.js";
import { el } from "../lib/dom.js";
import { formatNumber, t } from "../lib/i18n.js";
import { ask } from "./dialogs.js";
import { button, code, menuButton, newPanel } from "./parts.js";
import { newTable } from "./table.js";

const PATH = "/admin/tiers";
const NUMBERS = ["queue_weight", "calls_per_minute", "chat_per_minute"];

export function tiersSection({ canChange }) {
  const changed = () => panel.refresh();
  const table = newTable({
    caption: t("control.tiers.title"), none: t("control.tiers.none"), keyOf: ({ name }) => name,
    columns: [
      { title: t("control.tiers.name"), show: ({ name }) => el("strong", { textContent: name, dir: "auto" }) },
      ...NUMBERS.map((field) => ({ title: t(`control.tiers.${field}`), text: (tier) => formatNumber(tier[field]), kind: "number" })),
      { title: t("control.tiers.chain"), show: ({ chain }) => names(chain, t("control.tiers.default_chain")), kind: "wide" },
      { title: t("control.tiers.models"), show: ({ models }) => names(models, t("control.tiers.all_models")), kind: "wide" },
      canChange && { kind: "acts", show: (tier) => menuButton(t("control.acts_on", { name: tier.name }), () => [
        { icon: "edit", text: t("control.change"), run: () => change(tier, changed) },
        { icon: "trash", text: t("control.delete"), danger: true, run: () => remove(tier, changed) },
      ]) },
    ],
  });
  const tools = canChange ? [button(t("control.tiers.new"), () => create(changed))] : [];
  const panel = newPanel({
    title: t("control.tiers.title"), about: t("control.tiers.about"), tools, content: [table.node],
    read: async () => table.fill(await call("GET", PATH)),
  });
  return { nodes: [panel.node], read: panel.refresh };
}

const names = (list, none) => (list?.length ? el(
  "div", { className: "chips tight" }, ...list.map((each) => code(each, "in-list")),
) : el("span", { className: "quiet", textContent: none }));

const fieldsOf = (tier) => [
  ...NUMBERS.map(
    (name) => ({
      name, label: t(`control.tiers.${name}`), help: t(`control.tiers.${name}_help`), type: "number", min: 1,
      value: String(tier[name] ?? ""),
    }),
  ),
  {
    name: "chain", label: t("control.tiers.chain"), help: t("control.tiers.chain_help"), lines: 2, value: (tier.chain ?? []).join("\n"),
    dir: "ltr",
  },
  {
    name: "models", label: t("control.tiers.models"), help: t("control.tiers.models_help"), lines: 2, value: (tier.models ?? []).join("\n"),
    dir: "ltr",
  },
];

const lines = (text) => text.split(/[\n,]/).map((line) => line.trim()).filter(Boolean);

/** What was entered, as the API takes it: an empty number is not told, an empty list is the default. */
export function bodyOf(entered) {
  const numbers = NUMBERS.filter((name) => entered[name] !== "").map((name) => [name, Number(entered[name])]);
  const lists = ["chain", "models"].map((name) => [name, lines(entered[name]).length ? lines(entered[name]) : null]);
  return Object.fromEntries([...numbers, ...lists]);
}

async function change(tier, changed) {
  const done = await ask({
    title: t("control.tiers.change_title", { name: tier.name }), text: t("control.tiers.change_text"), fields: fieldsOf(tier),
    yes: t("control.save"),
    send: (entered) => call("PATCH", `${PATH}/${tier.name}`, { body: bodyOf(entered) }),
  });
  if (done) await changed();
}

async function create(changed) {
  const done = await ask({
    title: t("control.tiers.new"), yes: t("control.create"),
    fields: [
      { name: "name", label: t("control.tiers.name"), help: t("control.tiers.name_help"), maxLength: 31, dir: "ltr", required: true },
      ...fieldsOf({}),
    ],
    send: ({ name, ...entered }) => call("POST", PATH, { body: { name, ...bodyOf(entered) } }),
  });
  if (done) await changed();
}

async function remove(tier, changed) {
  const done = await ask({
    title: t("control.tiers.delete_title", { name: tier.name }), text: t("control.tiers.delete_text"), yes: t("control.delete"),
    danger: true,
    send: () => call("DELETE", `${PATH}/${tier.name}`),
  });
  if (done) await changed();
}
