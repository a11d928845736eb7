// Services: accounts of machines, with their tokens.

import { call } from "../lib/api.js";
import { el } from "../lib/dom.js";
import { formatDate, formatRelative, t } from "../lib/i18n.js";
import { openSheet } from "../lib/panel.js";
import { ask } from "./dialogs.js";
import { button, code, idNode, newPanel, rowButton, showOnce, state } from "./parts.js";
import { newTable } from "./table.js";

const PATH = "/admin/services";
const SCOPES = [
  "chat:read", "chat:write", "embeddings", "personas:read", "personas:write", "account:read", "operations:read", "operations:write", "tiers:read",
  "tiers:write",
  "personas:moderate", "users:read", "users:write", "audit:read",
];

export function servicesSection({ canChange }) {
  const made = el("div", { role: "status" });
  const changed = () => panel.refresh();
  const table = newTable({
    caption: t("control.services.title"), none: t("control.services.none"), noneIcon: "key", keyOf: ({ id }) => id,
    columns: [
      { title: t("control.services.name"), show: ({ name }) => el("strong", { textContent: name, dir: "ltr" }), kind: "wide" },
      {
        title: t("control.services.role"),
        show: ({ role }) => (role === "user" ? el(
          "span", { textContent: t("control.role.user") },
        ) : state("accent", t(`control.role.${role}`))),
      },
      { title: t("control.users.tier"), text: ({ tier }) => tier },
      { title: t("control.services.created"), text: ({ created_at: created }) => formatDate(created, { dateStyle: "medium" }) },
      { title: t("control.users.id"), show: ({ id }) => idNode(id) },
      { kind: "acts", show: (service) => actionsOf(service, canChange, changed) },
    ],
  });
  const tools = canChange ? [button(t("control.services.new"), () => create(made, changed))] : [];
  const panel = newPanel({
    title: t("control.services.title"), about: t("control.services.about"), tools, content: [made, table.node],
    read: async () => table.fill(await call("GET", PATH)),
  });
  return { nodes: [panel.node], read: panel.refresh };
}

function actionsOf(service, canChange, changed) {
  const named = (text, run, className) => rowButton(text, service.name, run, className);
  const remove = named(t("control.delete"), () => removeService(service, changed), "button small danger");
  return [
    el(
      "div", { className: "acts-row" }, named(t("control.services.tokens"), () => openTokens(service, canChange)),
      ...(canChange ? [remove] : []),
    ),
  ];
}

const tokenFields = (prefix) => [
  { name: "token_name", path: `${prefix}name`, label: t("control.services.token_name"), maxLength: 100, required: true },
  {
    name: "scopes", path: `${prefix}scopes`, label: t("control.services.scopes"), type: "checks",
    options: SCOPES.map((scope) => [scope, scope]), value: ["chat:read", "chat:write"],
  },
  {
    name: "days", path: `${prefix}expires_in_days`, label: t("control.days"), help: t("control.services.days_help"), type: "number", min: 1,
    max: 3_650,
  },
];

const tokenOf = ({ token_name: name, scopes, days }) => ({ name, scopes, ...(days && { expires_in_days: Number(days) }) });

const create = (made, changed) => ask({
  title: t("control.services.new"), text: t("control.services.new_text"), yes: t("control.create"),
  fields: [
    {
      name: "name", path: "name", label: t("control.services.name"), help: t("control.services.name_help"), maxLength: 63, dir: "ltr",
      required: true,
    },
    ...tokenFields("token."),
  ],
  send: async ({ name, ...entered }) => {
    const { token } = await call("POST", PATH, { body: { name, token: tokenOf(entered) } });
    showOnce(made, t("control.services.made"), token.key);
    await changed();
  },
});

async function removeService(service, changed) {
  const done = await ask({
    title: t("control.services.delete_title", { name: service.name }), text: t("control.services.delete_text"), yes: t("control.delete"),
    danger: true,
    send: () => call("DELETE", `${PATH}/${service.id}`),
  });
  if (done) await changed();
}

async function openTokens(service, canChange) {
  const path = `${PATH}/${service.id}/tokens`;
  const made = el("div", { role: "status" });
  const rows = el("ul", { className: "rows", ariaLabel: t("control.services.tokens") });
  const none = el("p", { className: "quiet", textContent: t("control.services.no_tokens") });
  const read = async () => {
    const tokens = await call("GET", path);
    none.hidden = tokens.length > 0;
    rows.replaceChildren(...tokens.map((token) => tokenRow(token, canChange && (async () => {
      const sure = await ask({
        title: t("control.services.token_delete_title", { name: token.name }), text: t("control.services.token_delete_text"),
        yes: t("control.delete"), danger: true,
        send: () => call("DELETE", `${path}/${token.id}`),
      });
      if (sure) await read();
    }))));
  };
  const another = () => ask({
    title: t("control.services.token_new"), fields: tokenFields(""), yes: t("control.create"),
    send: async (entered) => {
      const { key } = await call("POST", path, { body: tokenOf(entered) });
      showOnce(made, t("control.services.made"), key);
      await read();
    },
  });
  await read();
  openSheet(
    t("control.services.tokens_of", { name: service.name }), made, none, rows,
    ...(canChange ? [button(t("control.services.token_new"), another)] : []),
  );
}

function tokenRow(token, remove) {
  const about = [
    token.prefix,
    token.last_used_at ? t("control.services.used", { time: formatRelative(token.last_used_at) }) : t("control.services.unused"),
    token.expires_at && t("control.services.until", { time: formatDate(token.expires_at, { dateStyle: "medium" }) }),
    token.signs && t("control.services.signs"),
  ].filter(Boolean).join(" · ");
  const words = el("span", { className: "what" }, el(
    "strong", { textContent: token.name, dir: "auto" },
  ), el("span", { className: "quiet", textContent: about }),
    el("span", { className: "chips tight" }, ...token.scopes.map((scope) => code(scope, "in-list"))));
  return el("li", {}, words, ...(remove ? [button(t("control.delete"), remove)] : []));
}
