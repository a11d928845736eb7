// The gate: what stands before the chat until somebody has signed in.

import { Problem } from "../lib/api.js";
import { $, el, setText } from "../lib/dom.js";
import { FALLBACK, LANGUAGES, chooseLanguage, isMachineTranslated, language, loadCatalogue, onLanguageChange, t, translate } from "../lib/i18n.js";
import { NOTICE, SESSION, store, stored } from "../lib/storage.js";
import { forgetPush } from "../push/push.js";
import { GATES, faultsOf, passGate, sendAgain } from "./passing.js";

const FIELDS = ["name", "email", "password"];

/**
 * Shows the gate. `token` is that of a link, and `name` what it is for; `invitation` the code of one to join; `entered`
 * hears who has signed in.
 */
export async function showGate({ name: purpose, token, invitation, entered }) {
  await loadCatalogue("account");
  translate($("gate"));
  const form = $("gate-form");
  const submit = $("gate-submit");
  let gate = token ? purpose : invitation ? "join" : "enter";

  function showFaults(problem) {
    const { named, below } = faultsOf(problem, GATES[gate].fields);
    for (const input of form.querySelectorAll("input")) {
      setText($(`${input.name}-fault`), named.get(input.name) ?? "");
      input.ariaInvalid = String(named.has(input.name));
    }
    setText($("gate-fault"), below);
    if (problem.code === "email_unverified") $("gate-again").hidden = false;
    form.querySelector("[aria-invalid=true]")?.focus();
  }

  function showTexts() {
    for (const part of ["title", "submit", "question"]) setText($(`gate-${part}`), t(`account.gate.${gate}.${part}`));
    setText($("gate-switch"), t(`account.gate.${gate}.next`));
    document.title = `${t(`account.gate.${gate}.title`)} · Troupe`;
  }

  function show(which, notice = "", again = false) {
    gate = which;
    const { fields } = GATES[gate];
    showTexts();
    for (const name of FIELDS) $(`${name}-field`).hidden = !fields.includes(name);
    setText($("gate-notice"), notice);
    $("gate-notice").hidden = !notice;
    $("gate-forgot").hidden = gate !== "enter";
    $("gate-again").hidden = !again;
    form.password.autocomplete = gate === "enter" ? "current-password" : "new-password";
    form.password.value = "";
    showFaults({ message: "", errors: [] });
    (form.elements[fields[0]] ?? submit).focus();
  }

  /** One at a time; what it returns stands at the gate next. */
  async function attempt(pass) {
    if (submit.disabled) return;
    submit.disabled = true;
    submit.ariaBusy = "true";
    try {
      const next = await pass();
      if (next) show(...next);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      showFaults(problem);
    } finally {
      submit.disabled = false;
      submit.ariaBusy = "false";
    }
  }

  $("gate-switch").onclick = () => show(GATES[gate].to);
  $("gate-forgot").onclick = () => show("forgot");
  $("gate-again").onclick = () => attempt(() => sendAgain(form.email.value.trim()));
  form.onsubmit = (event) => {
    event.preventDefault();
    const values = { email: form.email.value.trim(), password: form.password.value, name: form.elements.name.value.trim() };
    return attempt(() => passGate(gate, values, { token, invitation, entered }));
  };
  offerLanguages($("gate-language"));
  onLanguageChange(() => $("gate").hidden || showTexts());
  const notice = stored(sessionStorage, NOTICE);
  store(sessionStorage, NOTICE, null);
  if (!stored(localStorage, SESSION)) forgetPush().catch(() => {});
  $("gate").hidden = false;
  show(gate, notice ?? "");
}

/** Whoever cannot read the form can change its language here. */
function offerLanguages(select) {
  select.replaceChildren(...Object.entries(LANGUAGES).map(([code, name]) => el("option", { value: code, textContent: name, lang: code })));
  // Whoever is not signed in gets no machine translations.
  select.value = isMachineTranslated() ? FALLBACK : language();
  select.onchange = () => chooseLanguage(select.value);
}
