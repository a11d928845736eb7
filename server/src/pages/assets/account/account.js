// The account page: what is signed in, the password, keys for programs, and one's data. Loaded when it is first opened.

import { call } from "../lib/api.js";
import { askFor, attempt, el, toast } from "../lib/dom.js";

const SCOPES = [
  ["chat:read", "Read conversations and live events"],
  ["chat:write", "Send messages, stop and rate replies"],
  ["personas:read", "Read personas, interviews and documents"],
  ["personas:write", "Change personas and what they know"],
  ["account:read", "Read the account and its budget"],
];

const BROWSERS = [["Edg/", "Edge"], ["OPR/", "Opera"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]];
const SYSTEMS = [
  ["Windows", "Windows"], ["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["CrOS", "ChromeOS"], ["Mac OS X", "macOS"], ["Linux", "Linux"],
];

const nameIn = (marks, agent) => marks.find(([mark]) => agent.includes(mark))?.[1];

/** What a client called itself, as a person would. */
export function deviceOf(agent) {
  if (!agent) return "A program";
  const [browser, system] = [nameIn(BROWSERS, agent), nameIn(SYSTEMS, agent)];
  if (!browser) return Array.from(agent).slice(0, 60).join("");
  return system ? `${browser} on ${system}` : browser;
}

/** How far an export is. */
export function progressOf({ status, step, steps, steps_done: done }) {
  if (status === "failed") return "The export has failed. Please try again.";
  if (status === "waiting") return "Waiting for its turn…";
  return status === "done" ? "Your export is ready." : `Writing ${step ?? "it down"}, ${done} of ${steps} parts done…`;
}

const NAMES = { current_password: "The current password", password: "The new password", name: "The name", scopes: "What it may do", expires_in_days: "The number of days" };

/** What is wrong with a form, in one text. */
export const faultOf = ({ message, errors }) =>
  errors.map(({ field, message }) => `${NAMES[field.replace(/\[.*/, "")] ?? field} ${message}.`).join(" ") || message;

const when = (time) => new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
const used = (time) => (time ? `last used ${when(time)}` : "never used");

/** Fills the page, for whoever has this address; `closed` hears that the account is no more. */
export function show(root, { email, closed }) {
  const button = (textContent, onclick, className = "link") => el("button", { type: "button", className, textContent, onclick });
  const field = (label, properties) => el("label", { textContent: label }, el("input", properties));
  const panel = (title, about, ...children) =>
    el("section", { className: "panel" }, el("h2", { textContent: title }), el("p", { className: "quiet", textContent: about }), ...children);
  const row = (title, about, ...actions) =>
    el("li", {}, el("span", { className: "what" }, el("strong", { textContent: title }), el("span", { className: "quiet", textContent: about })), ...actions);
  const list = (label) => el("ul", { className: "rows", ariaLabel: label });

  /** A form that says below what is wrong with it. */
  function form(submit, send, ...fields) {
    const fault = el("p", { className: "fault", role: "alert" });
    const whole = el("form", { noValidate: true }, ...fields, fault, el("button", { className: "primary", textContent: submit }));
    whole.onsubmit = async (event) => {
      event.preventDefault();
      const sent = whole.querySelector(".primary");
      if (sent.disabled) return;
      sent.disabled = true;
      fault.textContent = "";
      try {
        await send(whole.elements);
        whole.reset();
      } catch (problem) {
        if (!problem.errors) throw problem;
        fault.textContent = faultOf(problem);
      } finally {
        sent.disabled = false;
      }
    };
    return whole;
  }

  const signIns = list("What is signed in");
  const readSignIns = () => attempt(async () => {
    const all = await call("GET", "/auth/sign-ins");
    signIns.replaceChildren(...all.map((signIn) => {
      const about = [signIn.address, signIn.current ? "this browser" : used(signIn.last_used_at)].filter(Boolean).join(" · ");
      const end = () => attempt(async () => (await call("DELETE", `/auth/sign-ins/${signIn.id}`), readSignIns()));
      return row(deviceOf(signIn.agent), about, ...(signIn.current ? [] : [button("Sign out", end)]));
    }));
  });
  const others = button("Sign out everywhere else", () => attempt(async () => {
    await call("DELETE", "/auth/sign-ins");
    await readSignIns();
    toast("Signed out everywhere else.");
  }));

  const password = form(
    "Change the password",
    async ({ current, next }) => {
      await call("PUT", "/auth/password", { body: { current_password: current.value, password: next.value } });
      await readSignIns();
      toast("Your password is changed, and everything else is signed out.");
    },
    // For those that keep passwords: whose it is.
    el("input", { type: "email", name: "username", autocomplete: "username", value: email, hidden: true, tabIndex: -1 }),
    field("Current password", { name: "current", type: "password", autocomplete: "current-password" }),
    field("New password", { name: "next", type: "password", autocomplete: "new-password" }),
  );

  const keys = list("API keys");
  const made = el("div", { className: "made", hidden: true });
  const readKeys = () => attempt(async () => {
    const all = await call("GET", "/api-keys");
    keys.replaceChildren(...all.map((key) => {
      const about = [key.prefix, key.scopes.join(", "), used(key.last_used_at), key.expires_at && `until ${when(key.expires_at)}`];
      const remove = () => attempt(async () => {
        const text = "Programs that use it stop working at once.";
        if ((await askFor({ title: `Delete “${key.name}”?`, text, yes: "Delete", danger: true })) === null) return;
        await call("DELETE", `/api-keys/${key.id}`);
        made.hidden = true;
        await readKeys();
      });
      return row(key.name, about.filter(Boolean).join(" · "), button("Delete", remove));
    }));
  });
  const newKey = form(
    "Make a key",
    async (fields) => {
      const scopes = SCOPES.map(([scope]) => scope).filter((scope) => fields[scope].checked);
      const body = { name: fields.key.value.trim(), scopes, ...(fields.days.value && { expires_in_days: Number(fields.days.value) }) };
      const { key } = await call("POST", "/api-keys", { body });
      const shown = el("code", { textContent: key });
      const copy = button("Copy", () => navigator.clipboard?.writeText(key).then(() => toast("Copied."), () => getSelection().selectAllChildren(shown)));
      made.replaceChildren(el("p", { textContent: "This is your key. It is shown this once." }), shown, copy);
      made.hidden = false;
      await readKeys();
    },
    field("Name", { name: "key", maxLength: 100, autocomplete: "off" }),
    field("Days that it lasts; none, until you delete it", { name: "days", type: "number", min: 1, max: 3650, autocomplete: "off" }),
    el("fieldset", {}, el("legend", { textContent: "What it may do" }), ...SCOPES.map(([name, meaning]) => {
      const defaultChecked = name.startsWith("chat:");
      return el("label", { className: "choice" }, el("input", { type: "checkbox", name, defaultChecked }), el("span", { textContent: meaning }));
    })),
  );

  const progress = el("p", { className: "quiet", role: "status" });
  async function follow({ id }) {
    for (;;) {
      const job = await call("GET", `/auth/me/exports/${id}`);
      progress.textContent = progressOf(job);
      if (job.status === "done") {
        progress.append(" ", el("a", { className: "link", href: `/api/v1/auth/me/exports/${id}/content`, download: "troupe-export.zip", textContent: "Download" }));
      }
      if (job.status === "done" || job.status === "failed" || root.hidden || !progress.isConnected) return;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  }
  const takeAway = button("Export my data", async () => {
    takeAway.disabled = true;
    await attempt(async () => follow(await call("POST", "/auth/me/exports")));
    takeAway.disabled = false;
  });
  const close = button("Delete my account", async () => {
    const text = "Your conversations, personas and everything they know go with it, and nothing brings them back. Your password, please:";
    const word = await askFor({ title: "Delete your account?", text, value: "", secret: true, yes: "Delete everything", danger: true });
    if (word) await attempt(async () => (await call("DELETE", "/auth/me", { body: { password: word } }), closed()));
  }, "link danger");

  root.replaceChildren(
    panel("Signed in", "Wherever you are signed in. What you do not know, sign out, and change your password.", signIns, others),
    panel("Password", "A change signs out everything but this browser.", password),
    panel("Keys for programs", "For your own scripts and tools, in the header Authorization: Bearer.", keys, made, newKey),
    panel("Your data", "All that is yours, as a zip of JSON files.", takeAway, progress),
    panel("Leaving", "An account that is deleted is closed at once.", close),
  );
  return Promise.all([readSignIns(), readKeys()]);
}
