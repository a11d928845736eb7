// What happens at the gate: signing in, joining, links of e-mails. Nothing in this file touches the page.

import { Problem, call, newKey } from "../lib/api.js";
import { t } from "../lib/i18n.js";
import { faultText } from "../lib/problems.js";
import { SESSION, store } from "../lib/storage.js";

/** The forms of the gate, with their fields, and the form that each leads to instead. Their texts are in the catalogue. */
export const GATES = {
  enter: { fields: ["email", "password"], to: "join" },
  join: { fields: ["name", "email", "password"], to: "enter" },
  forgot: { fields: ["email"], to: "enter" },
  reset: { fields: ["password"], to: "enter" },
  verify: { fields: [], to: "enter" },
};

/** The faults of a form: those of the fields that are shown beside them, all others below. */
export function faultsOf({ message, errors }, fields) {
  const named = new Map();
  const below = [];
  for (const error of errors) {
    if (fields.includes(error.field)) named.set(error.field, faultText(error.message));
    // A link is not a field, and what is wrong with it is that.
    else below.push(error.field === "token" ? t("account.gate.link_fault") : faultText(error.message));
  }
  return { named, below: below.join(" ") || (named.size ? "" : message) };
}

/** Asks for another link that verifies the address; returns what stands at the gate next, as `passGate` does. */
export async function sendAgain(email) {
  await call("POST", "/auth/email-verifications", { body: { email } });
  return ["enter", t("account.gate.verification_sent"), true];
}

const forgetLink = () => history.replaceState(null, "", location.pathname);

/** What those forms do that sign nobody in: each returns the form that comes next, and a word about it. */
const PASSES = {
  async forgot({ email }) {
    await call("POST", "/auth/password-resets", { body: { email } });
    return ["enter", t("account.gate.reset_sent")];
  },
  async reset({ password }, { token }) {
    await call("PUT", "/auth/password-resets", { body: { token, password } });
    // All sign-ins have ended, this browser's too; and nobody who comes later is to find the link in its history.
    store(localStorage, SESSION, null);
    forgetLink();
    return ["enter", t("account.gate.password_set")];
  },
  async verify(_, { token }) {
    await call("PUT", "/auth/email-verifications", { body: { token } });
    forgetLink();
    return ["enter", t("account.gate.verified")];
  },
};

/**
 * Does what the form is for. Returns what stands at the gate next, a word about it, and whether an e-mail can be sent
 * again; null once somebody has signed in, whom `entered` hears of.
 */
export async function passGate(gate, fields, link) {
  if (PASSES[gate]) return PASSES[gate](fields, link);
  const { email, password, name } = fields;
  const { invitation, entered } = link;
  const signedIn = gate === "join"
    ? await call("POST", "/auth/register", { body: { email, password, name, invitation, session: true }, key: newKey() })
    : await call("POST", "/auth/login", { body: { email, password, session: true } });
  // The code of an invitation is used up.
  if (invitation) forgetLink();
  // Nobody is signed in before the address is verified.
  if (!signedIn.user) return ["enter", t("account.gate.check_mail"), true];
  // Browsers drop the cookie silently where it is meant for https and the page is not.
  const kept = await call("GET", "/auth/me").catch(() => null);
  if (!kept) throw new Problem({ detail: t("account.gate.not_kept") });
  const next = { user: signedIn.user };
  store(localStorage, SESSION, next);
  entered(next);
  return null;
}
