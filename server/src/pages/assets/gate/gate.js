// The gate: what stands before the chat until somebody has signed in.

import { Problem, call, newKey } from "../lib/api.js";
import { $, setText } from "../lib/dom.js";
import { NOTICE, SESSION, store, stored } from "../lib/storage.js";
import { sentence } from "../lib/text.js";

/** What stands at the gate: signing in, joining, asking for a link, and what links are for: a new password, and an address that is verified. */
const GATES = {
  enter: { title: "Welcome back", submit: "Sign in", fields: ["email", "password"], question: "New here?", next: "Create an account", to: "join" },
  join: { title: "Create your account", submit: "Create account", fields: ["name", "email", "password"], question: "Have an account?", next: "Sign in", to: "enter" },
  forgot: { title: "Forgotten your password?", submit: "Send me a link", fields: ["email"], question: "Remembered it?", next: "Sign in", to: "enter" },
  reset: { title: "Choose a new password", submit: "Set the password", fields: ["password"], question: "Not now?", next: "Sign in", to: "enter" },
  verify: { title: "Verify your address", submit: "It is mine", fields: [], question: "Not yours?", next: "Sign in", to: "enter" },
};

/** The faults of a form: those of the fields that are shown beside them, all others below. */
export function faultsOf({ message, errors }, fields) {
  const named = new Map();
  const rest = [];
  for (const error of errors) fields.includes(error.field) ? named.set(error.field, sentence(error.message)) : rest.push(error);
  // A link is not a field, and what is wrong with it is that.
  const told = rest.map((error) => sentence(error.field === "token" ? `this link ${error.message}` : error.message)).join(" ");
  return { named, below: told || (named.size ? "" : message) };
}

/** Asks for another link that verifies the address; returns what stands at the gate next, as `passGate` does. */
export async function sendAgain(email) {
  const { detail } = await call("POST", "/auth/email-verifications", { body: { email } });
  return ["enter", sentence(detail), true];
}

/** Does what the form is for; returns what stands at the gate next, a word about it, and whether an e-mail can be sent again, unless somebody has signed in. */
export async function passGate(gate, { name, email, password }, { token, invitation, entered }) {
  if (gate === "forgot") {
    const { detail } = await call("POST", "/auth/password-resets", { body: { email } });
    return ["enter", sentence(detail)];
  }
  if (gate === "reset") {
    await call("PUT", "/auth/password-resets", { body: { token, password } });
    // All sign-ins have ended, this browser's too; and nobody who comes later is to find the link in its history.
    store(localStorage, SESSION, null);
    history.replaceState(null, "", location.pathname);
    return ["enter", "Your password is set. Please sign in with it."];
  }
  if (gate === "verify") {
    await call("PUT", "/auth/email-verifications", { body: { token } });
    history.replaceState(null, "", location.pathname);
    return ["enter", "Your address is verified. Please sign in."];
  }
  const signedIn = gate === "join"
    ? await call("POST", "/auth/register", { body: { email, password, name, invitation, session: true }, key: newKey() })
    : await call("POST", "/auth/login", { body: { email, password, session: true } });
  // The code of an invitation is used up.
  if (invitation) history.replaceState(null, "", location.pathname);
  // Nobody is signed in before the address is verified.
  if (!signedIn.user) return ["enter", sentence(signedIn.detail), true];
  // Browsers drop the cookie silently where it is meant for https and the page is not.
  const kept = await call("GET", "/auth/me").catch(() => null);
  if (!kept) throw new Problem({ detail: "your browser did not keep the session: this address needs https" });
  const next = { user: signedIn.user };
  store(localStorage, SESSION, next);
  entered(next);
  return null;
}

/** Shows it. `token` is that of a link, and `name` what it is for; `invitation` the code of one to join; `entered` hears who has signed in. */
export function showGate({ name: purpose, token, invitation, entered }) {
  const form = $("gate-form");
  let gate = token ? purpose : invitation ? "join" : "enter";
  const showFaults = (problem) => {
    const { named, below } = faultsOf(problem, GATES[gate].fields);
    for (const input of form.querySelectorAll("input")) {
      setText($(`${input.name}-fault`), named.get(input.name) ?? "");
      input.ariaInvalid = String(named.has(input.name));
    }
    setText($("gate-fault"), below);
    if (problem.code === "email_unverified") $("gate-again").hidden = false;
    form.querySelector("[aria-invalid=true]")?.focus();
  };
  const show = (which, notice, again = false) => {
    gate = which;
    const { title, submit, fields, question, next } = GATES[gate];
    for (const [id, text] of Object.entries({ title, submit, question, switch: next, notice: notice ?? "" })) setText($(`gate-${id}`), text);
    for (const name of ["name", "email", "password"]) $(`${name}-field`).hidden = !fields.includes(name);
    $("gate-notice").hidden = !notice;
    $("gate-forgot").hidden = gate !== "enter";
    $("gate-again").hidden = !again;
    form.password.autocomplete = gate === "enter" ? "current-password" : "new-password";
    form.password.value = "";
    showFaults({ message: "", errors: [] });
    (form.elements[fields[0]] ?? $("gate-submit")).focus();
  };
  $("gate-switch").onclick = () => show(GATES[gate].to);
  $("gate-forgot").onclick = () => show("forgot");
  /** One at a time; what it returns stands at the gate next. */
  const attempt = async (pass) => {
    if ($("gate-submit").disabled) return;
    $("gate-submit").disabled = true;
    try {
      const next = await pass();
      if (next) show(...next);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      showFaults(problem);
    } finally {
      $("gate-submit").disabled = false;
    }
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    const [email, password, name] = [form.email.value.trim(), form.password.value, form.elements.name.value.trim()];
    return attempt(() => passGate(gate, { email, password, name }, { token, invitation, entered }));
  };
  $("gate-again").onclick = () => attempt(() => sendAgain(form.email.value.trim()));
  const notice = stored(sessionStorage, NOTICE);
  store(sessionStorage, NOTICE, null);
  $("gate").hidden = false;
  show(gate, notice);
}
