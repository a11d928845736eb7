// Accounts: who there is, what they may do, and invitations to more of them.

import { call } from "../lib/api.js";
import { el, toast } from "../lib/dom.js";
import { formatDate, formatRelative, t } from "../lib/i18n.js";
import { ask } from "./dialogs.js";
import { button, idNode, menuButton, newPanel, queryOf, showOnce, state } from "./parts.js";
import { newFilters, newPages, newTable } from "./table.js";

const ROLES = ["user", "auditor", "admin"];

export function usersSection({ me, canChange }) {
  const users = usersPanel({ me, canChange });
  const invitations = invitationsPanel({ canChange });
  return { nodes: [users.node, invitations.node], read: () => Promise.all([users.refresh(), invitations.refresh()]) };
}

const roleText = (role) => t(`control.role.${role}`);

function usersPanel({ me, canChange }) {
  const filters = newFilters([
    { name: "email", label: t("control.users.email") },
    {
      name: "role", label: t("control.users.role"),
      options: [["", t("control.users.any_role")], ...ROLES.map((role) => [role, roleText(role)])],
    },
    { name: "tier", label: t("control.users.tier") },
  ], () => panel.refresh());
  const changed = () => panel.refresh();
  const table = newTable({
    caption: t("control.users.title"), none: t("control.users.none"), noneIcon: "users", keyOf: ({ id }) => id,
    columns: [
      {
        title: t("control.users.person"), kind: "wide",
        show: ({ name, email }) => el(
          "div", { className: "stack" }, el("strong", { textContent: name, dir: "auto" }),
          el("span", { className: "quiet clip", textContent: email, dir: "ltr" }),
        ),
      },
      {
        title: t("control.users.role"),
        show: ({ role }) => (role === "user" ? el("span", { textContent: roleText(role) }) : state("accent", roleText(role))),
      },
      { title: t("control.users.tier"), text: ({ tier }) => tier },
      { title: t("control.users.since"), text: ({ created_at: created }) => formatDate(created, { dateStyle: "medium" }) },
      { title: t("control.users.id"), show: ({ id }) => idNode(id) },
      canChange && { kind: "acts", show: (user) => menuOf(user, me, changed) },
    ],
  });
  const pages = newPages((after) => `/admin/users${queryOf({ ...filters.values(), after })}`, table.fill);
  const panel = newPanel(
    { title: t("control.users.title"), about: t("control.users.about"), content: [filters.node, table.node, pages.more], read: pages.read },
  );
  return panel;
}

const menuOf = (user, me, changed) => menuButton(t("control.acts_on", { name: user.name }), () => [
  { icon: "edit", text: t("control.users.change"), run: () => change(user, changed) },
  { icon: "sign-out", text: t("control.users.sign_out"), run: () => signOut(user) },
  ...(user.id === me.id ? [] : [
    "separator", { icon: "trash", text: t("control.users.delete"), danger: true, run: () => remove(user, changed) },
  ]),
]);

async function change(user, changed) {
  const tiers = await call("GET", "/admin/tiers").catch(() => [{ name: user.tier }]);
  const roles = ROLES.includes(user.role) ? ROLES : [...ROLES, user.role];
  const done = await ask({
    title: t("control.users.change_title", { name: user.name }), text: user.email, yes: t("control.save"),
    fields: [
      { name: "role", label: t("control.users.role"), options: roles.map((role) => [role, roleText(role)]), value: user.role },
      { name: "tier", label: t("control.users.tier"), options: tiers.map(({ name }) => [name, name]), value: user.tier },
    ],
    send: ({ role, tier }) => call(
      "PATCH", `/admin/users/${user.id}`, { body: { ...(role !== user.role && { role }), ...(tier !== user.tier && { tier }) } },
    ),
  });
  if (done) await changed();
}

async function signOut(user) {
  const done = await ask({
    title: t("control.users.sign_out_title", { name: user.name }), text: t("control.users.sign_out_text"), yes: t("control.users.sign_out"),
    danger: true,
    send: () => call("POST", `/admin/users/${user.id}/sign-out`),
  });
  if (done) toast(t("control.users.signed_out", { name: user.name }));
}

/** Asks twice: nothing of it can be brought back. */
async function remove(user, changed) {
  const first = await ask(
    {
      title: t("control.users.delete_title", { name: user.name }), text: t("control.users.delete_text"), yes: t("control.go_on"),
      danger: true,
    },
  );
  if (!first) return;
  const second = await ask({
    title: t("control.users.delete_sure", { email: user.email }), text: t("control.no_way_back"), yes: t("control.users.delete"),
    danger: true,
    send: () => call("DELETE", `/admin/users/${user.id}`),
  });
  if (!second) return;
  toast(t("control.users.deleted", { name: user.name }));
  await changed();
}

function invitationsPanel({ canChange }) {
  const made = el("div", { role: "status" });
  const changed = () => panel.refresh();
  const table = newTable({
    caption: t("control.invitations.title"), none: t("control.invitations.none"), noneIcon: "user", keyOf: ({ id }) => id,
    columns: [
      { title: t("control.invitations.note"), kind: "wide", show: ({ note }) => el("span", { textContent: note || "–", dir: "auto" }) },
      { title: t("control.invitations.state"), show: invitationState },
      { title: t("control.invitations.expires"), text: ({ expires_at: expires }) => formatRelative(expires) },
      { title: t("control.invitations.used_by"), show: ({ used_by: user }) => idNode(user) },
      canChange && {
        kind: "acts", show: (invitation) => (invitation.used_at ? [] : button(t("control.delete"), () => withdraw(invitation, changed))),
      },
    ],
  });
  const pages = newPages((after) => `/admin/invitations${queryOf({ after })}`, table.fill);
  const invite = () => ask({
    title: t("control.invitations.new"), text: t("control.invitations.new_text"), yes: t("control.invitations.make"),
    fields: [
      { name: "note", label: t("control.invitations.note"), maxLength: 200 },
      { name: "expires_in_days", label: t("control.days"), type: "number", min: 1 },
    ],
    send: async ({ note, expires_in_days: days }) => {
      const { code } = await call(
        "POST", "/admin/invitations", { body: { ...(note && { note }), ...(days && { expires_in_days: Number(days) }) } },
      );
      showOnce(made, t("control.invitations.made"), code);
      await changed();
    },
  });
  const tools = canChange ? [button(t("control.invitations.new"), invite)] : [];
  const panel = newPanel(
    {
      title: t("control.invitations.title"), about: t("control.invitations.about"), tools, content: [made, table.node, pages.more],
      read: pages.read,
    },
  );
  return panel;
}

function invitationState({ used_at: used, expires_at: expires }) {
  if (used) return state("", t("control.invitations.used"));
  return Date.parse(expires) < Date.now() ? state("warn", t("control.invitations.expired")) : state("good", t("control.invitations.open"));
}

async function withdraw(invitation, changed) {
  const sure = await ask({
    title: t("control.invitations.delete_title"), text: t("control.invitations.delete_text"), yes: t("control.delete"), danger: true,
    send: () => call("DELETE", `/admin/invitations/${invitation.id}`),
  });
  if (sure) await changed();
}
