// Prices of models, and budgets with what is spent of them today.

import { call } from "../lib/api.js";
import { el } from "../lib/dom.js";
import { formatRelative, t } from "../lib/i18n.js";
import { ask } from "./dialogs.js";
import { formatMoney, NONE } from "./format.js";
import { button, code, menuButton, newMeter, newPanel, queryOf } from "./parts.js";
import { newPages, newTable } from "./table.js";

const SCOPES = ["everyone", "tier", "tier_user", "user", "persona"];

export function moneySection({ canChange }) {
  const panels = [budgetsPanel({ canChange }), pricesPanel({ canChange })];
  return { nodes: panels.map(({ node }) => node), read: () => Promise.all(panels.map(({ refresh }) => refresh())) };
}

/** A menu with a change and a removal. */
const acts = (name, change, remove) => menuButton(t("control.acts_on", { name }), () => [
  { icon: "edit", text: t("control.change"), run: change },
  { icon: "trash", text: t("control.remove"), danger: true, run: remove },
]);

function budgetsPanel({ canChange }) {
  const changed = () => panel.refresh();
  const nameOf = ({ scope, subject }) => (scope === "everyone" ? t("control.scope.everyone") : `${t(`control.scope.${scope}`)} ${subject}`);
  const table = newTable({
    caption: t("control.budgets.title"), none: t("control.budgets.none"), noneIcon: "cost",
    keyOf: ({ scope, subject }) => `${scope} ${subject}`,
    columns: [
      {
        title: t("control.budgets.of"),
        show: ({ scope, subject }) => el(
          "div", { className: "stack" }, el("span", { textContent: t(`control.scope.${scope}`) }),
          ...(scope === "everyone" ? [] : [code(subject, "quiet")]),
        ),
      },
      { title: t("control.budgets.spent"), kind: "wide", show: spentCell },
      { title: t("control.budgets.limit"), text: ({ daily_limit: limit }) => formatMoney(limit), kind: "number" },
      { title: t("control.updated"), text: ({ updated_at: updated }) => formatRelative(updated) },
      canChange && {
        kind: "acts",
        show: (budget) => acts(nameOf(budget), () => setBudget(budget, changed), () => removeBudget(budget, nameOf(budget), changed)),
      },
    ],
  });
  const pages = newPages((after) => `/admin/budgets${queryOf({ after })}`, table.fill);
  const tools = canChange ? [button(t("control.budgets.new"), () => setBudget(null, changed))] : [];
  const panel = newPanel(
    { title: t("control.budgets.title"), about: t("control.budgets.about"), tools, content: [table.node, pages.more], read: pages.read },
  );
  return panel;
}

function spentCell({ spent, daily_limit: limit }) {
  if (spent === null || spent === undefined) return el("span", { className: "quiet", textContent: t("control.budgets.each") });
  const meter = newMeter(t("control.budgets.spent"));
  meter.show(spent, limit);
  return el("div", { className: "stack load" }, el("span", { textContent: formatMoney(spent) }), meter.node);
}

async function setBudget(budget, changed) {
  const limit = {
    name: "daily_limit", label: t("control.budgets.limit"), help: t("control.budgets.limit_help"), type: "number", min: 0, step: "any",
    value: String(budget?.daily_limit ?? ""), required: true,
  };
  const target = [
    {
      name: "scope", label: t("control.budgets.of"), options: SCOPES.map((scope) => [scope, t(`control.scope.${scope}`)]),
      value: "everyone",
    },
    { name: "subject", label: t("control.budgets.subject"), help: t("control.budgets.subject_help"), dir: "ltr" },
  ];
  const done = await ask({
    title: t(budget ? "control.budgets.change_title" : "control.budgets.new"), fields: budget ? [limit] : [...target, limit],
    yes: t("control.save"),
    send: ({ scope, subject, daily_limit: daily }) => {
      const of = budget ?? { scope, subject: scope === "everyone" ? "*" : subject };
      return call("PUT", `/admin/budgets/${of.scope}/${encodeURIComponent(of.subject)}`, { body: { daily_limit: Number(daily) } });
    },
  });
  if (done) await changed();
}

async function removeBudget({ scope, subject }, name, changed) {
  const done = await ask({
    title: t("control.budgets.remove_title", { name }), text: t("control.budgets.remove_text"), yes: t("control.remove"), danger: true,
    send: () => call("DELETE", `/admin/budgets/${scope}/${encodeURIComponent(subject)}`),
  });
  if (done) await changed();
}

function pricesPanel({ canChange }) {
  const changed = () => panel.refresh();
  const nameOf = ({ provider, model }) => `${provider} ${model}`;
  const table = newTable({
    caption: t("control.prices.title"), none: t("control.prices.none"), noneIcon: "cost", keyOf: nameOf,
    columns: [
      { title: t("control.prices.provider"), text: ({ provider }) => provider },
      {
        title: t("control.prices.model"),
        show: ({ model }) => (model === "*" ? el(
          "span", { className: "quiet", textContent: t("control.prices.every_model") },
        ) : code(model)),
      },
      { title: t("control.prices.prompt"), text: ({ prompt_price: price }) => formatMoney(price), kind: "number" },
      { title: t("control.prices.completion"), text: ({ completion_price: price }) => formatMoney(price), kind: "number" },
      { title: t("control.updated"), text: ({ updated_at: updated }) => (updated ? formatRelative(updated) : NONE) },
      canChange && {
        kind: "acts",
        show: (price) => acts(nameOf(price), () => setPrice(price, changed), () => removePrice(price, nameOf(price), changed)),
      },
    ],
  });
  const pages = newPages((after) => `/admin/prices${queryOf({ after })}`, table.fill);
  const tools = canChange ? [button(t("control.prices.new"), () => setPrice(null, changed))] : [];
  const panel = newPanel(
    { title: t("control.prices.title"), about: t("control.prices.about"), tools, content: [table.node, pages.more], read: pages.read },
  );
  return panel;
}

const pathOf = (provider, model) => `/admin/prices/${encodeURIComponent(provider)}${queryOf({ model })}`;

async function setPrice(price, changed) {
  const number = (name) => ({
    name, label: t(`control.prices.${name}`), type: "number", min: 0, step: "any", value: String(price?.[name] ?? ""), required: true,
  });
  const target = [
    { name: "provider", label: t("control.prices.provider"), dir: "ltr", required: true },
    { name: "model", label: t("control.prices.model"), help: t("control.prices.model_help"), dir: "ltr" },
  ];
  const done = await ask({
    title: t(price ? "control.prices.change_title" : "control.prices.new"), text: t("control.prices.about"), yes: t("control.save"),
    fields: [...(price ? [] : target), number("prompt_price"), number("completion_price")],
    send: ({ provider, model, prompt_price: prompt, completion_price: completion }) =>
      call(
        "PUT", price ? pathOf(price.provider, price.model) : pathOf(provider, model),
        { body: { prompt_price: Number(prompt), completion_price: Number(completion) } },
      ),
  });
  if (done) await changed();
}

async function removePrice({ provider, model }, name, changed) {
  const done = await ask({
    title: t("control.prices.remove_title", { name }), text: t("control.prices.remove_text"), yes: t("control.remove"), danger: true,
    send: () => call("DELETE", pathOf(provider, model)),
  });
  if (done) await changed();
}
