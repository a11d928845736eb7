// Who and what may use the account: what is signed in, the password, and keys for programs.

import { call } from "../lib/api.js";
import { askFor, attempt, el, toast } from "../lib/dom.js";
import { formatDate, t } from "../lib/i18n.js";
import { deviceOf } from "./devices.js";
import { button, field, form, list, panel, row } from "./parts.js";

const SCOPES = ["chat:read", "chat:write", "embeddings", "personas:read", "personas:write", "account:read"];

const used = (time) => (time ? t("account.sign_ins.used", { time: formatDate(time) }) : t("account.sign_ins.unused"));

/** What is signed in. Returns the section, and how to read it again. */
export function signInsPanel() {
  const signIns = list(t("account.sign_ins.list"));
  const read = () => attempt(async () => {
    const all = await call("GET", "/auth/sign-ins");
    signIns.replaceChildren(...all.map((signIn) => {
      const about = [signIn.address, signIn.current ? t("account.sign_ins.this") : used(signIn.last_used_at)].filter(Boolean).join(" · ");
      const end = () => attempt(async () => (await call("DELETE", `/auth/sign-ins/${signIn.id}`), read()));
      return row(deviceOf(signIn.agent), about, ...(signIn.current ? [] : [button(t("account.sign_ins.end"), end)]));
    }));
  });
  const endOthers = button(t("account.sign_ins.end_others"), () => attempt(async () => {
    await call("DELETE", "/auth/sign-ins");
    await read();
    toast(t("account.sign_ins.ended_others"));
  }));
  return { section: panel("sign_ins", signIns, endOthers), read };
}

/** The password, of the account with this address; `changed` is called when everything else is signed out. */
export function passwordPanel(email, changed) {
  const send = async ({ current, next }) => {
    await call("PUT", "/auth/password", { body: { current_password: current.value, password: next.value } });
    await changed();
    toast(t("account.password.changed"));
  };
  return panel("password", form(
    t("account.password.submit"), send,
    // For programs that keep passwords: whose it is.
    el("input", { type: "email", name: "username", autocomplete: "username", value: email, hidden: true, tabIndex: -1 }),
    field(t("account.password.current"), { name: "current", type: "password", autocomplete: "current-password" }),
    field(t("account.password.new"), { name: "next", type: "password", autocomplete: "new-password" }),
  ));
}

/** Keys for programs. Returns the section, and how to read it again. */
export function keysPanel() {
  const keys = list(t("account.keys.list"));
  const made = el("div", { className: "notice made", hidden: true });

  async function remove({ id, name }) {
    const title = t("account.keys.delete_title", { name });
    if ((await askFor({ title, text: t("account.keys.delete_text"), yes: t("account.keys.delete"), danger: true })) === null) return;
    await call("DELETE", `/api-keys/${id}`);
    made.hidden = true;
    await read();
  }

  const read = () => attempt(async () => {
    const all = await call("GET", "/api-keys");
    keys.replaceChildren(...all.map((key) => {
      const until = key.expires_at && t("account.keys.until", { time: formatDate(key.expires_at) });
      const about = [key.prefix, key.scopes.join(", "), used(key.last_used_at), until].filter(Boolean).join(" · ");
      return row(key.name, about, button(t("account.keys.delete"), () => attempt(() => remove(key))));
    }));
  });

  async function make(fields) {
    const scopes = SCOPES.filter((scope) => fields[scope].checked);
    const body = { name: fields.key.value.trim(), scopes, ...(fields.days.value && { expires_in_days: Number(fields.days.value) }) };
    const { key } = await call("POST", "/api-keys", { body });
    showMade(made, key);
    await read();
  }

  const choices = SCOPES.map((name) => el("label", { className: "choice" },
    el("input", { type: "checkbox", name, defaultChecked: name.startsWith("chat:") }), el("span", { textContent: t(`account.keys.scope.${name}`) })));
  const newKey = form(
    t("account.keys.submit"), make,
    field(t("account.keys.name"), { name: "key", maxLength: 100, autocomplete: "off" }),
    field(t("account.keys.days"), { name: "days", type: "number", min: 1, max: 3650, autocomplete: "off" }),
    el("fieldset", {}, el("legend", { textContent: t("account.keys.scopes") }), ...choices),
  );
  return { section: panel("keys", keys, made, newKey), read };
}

function showMade(made, key) {
  const shown = el("code", { textContent: key, dir: "ltr" });
  const copied = () => toast(t("account.keys.copied"));
  const copy = button(t("account.keys.copy"), () => navigator.clipboard?.writeText(key).then(copied, () => getSelection().selectAllChildren(shown)));
  made.replaceChildren(el("p", { textContent: t("account.keys.made") }), shown, copy);
  made.hidden = false;
}
