// Messages in other languages: which are shown beside the original, in which language, and what has come of it. Nothing
// in this file touches the page.

import { Problem } from "../../lib/api.js";
import { t } from "../../lib/i18n.js";

const WAIT_S = 20;
/** Longer than the server waits. */
const PATIENCE_MS = 30_000;
const PAUSE_MS = 1_000;
/** A long message in many parts takes some minutes at most. */
const MAX_ASKED = 12;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const keyOf = (id, role) => `${role} ${id}`;

/**
 * `call` is the API's; `languages()` those that there are. `preferred()` is the code of the one that is taken at first,
 * `prefer(code)` keeps another choice; `onChange(id)` hears of the request whose translation is another now. Roles are
 * "assistant" (the reply) and "user" (the question).
 */
export function newTranslations({ call, languages, preferred, prefer, onChange, wait = pause }) {
  /** By message: `{language, direction, status, text?, provider?, why?}`; `status` is "working", "done" or "failed". */
  const shown = new Map();
  /** By message and language: what is there, or is being asked for. */
  const made = new Map();

  const directionOf = (language) => languages().find(({ code }) => code === language)?.direction ?? "auto";

  async function ask(id, role, language) {
    for (let times = 0; times < MAX_ASKED; times += 1) {
      if (times > 0) await wait(PAUSE_MS);
      const path = `/requests/${id}/translations?wait=${WAIT_S}`;
      const answer = await call("POST", path, { body: { language, role }, patience: PATIENCE_MS });
      if (answer) return answer;
    }
    throw new Problem({ detail: t("problems.too_slow") });
  }

  function translate(id, role, language) {
    const key = `${keyOf(id, role)} ${language}`;
    if (!made.has(key)) made.set(key, ask(id, role, language));
    const asked = made.get(key);
    asked.catch(() => made.delete(key));
    return asked;
  }

  function set(id, role, state) {
    shown.set(keyOf(id, role), state);
    onChange(id);
    return state;
  }

  async function show(id, role, language) {
    const state = { language, direction: directionOf(language) };
    const begun = set(id, role, { ...state, status: "working" });
    const outcome = await translate(id, role, language).then(
      ({ text, provider }) => ({ status: "done", text, provider }),
      (problem) => {
        if (!(problem instanceof Problem)) throw problem;
        return { status: "failed", why: problem.message };
      },
    );
    // Unless it was closed meanwhile, or wanted in another language.
    if (shown.get(keyOf(id, role)) === begun) set(id, role, { ...state, ...outcome });
  }

  function hide(id, role) {
    if (shown.delete(keyOf(id, role))) onChange(id);
  }

  return {
    languages, hide,
    /** What is shown beside a message; null: nothing. */
    of: (id, role) => shown.get(keyOf(id, role)) ?? null,
    toggle: (id, role) => (shown.has(keyOf(id, role)) ? hide(id, role) : show(id, role, preferred())),
    choose(id, role, language) {
      prefer(language);
      return show(id, role, language);
    },
    retry: (id, role) => show(id, role, shown.get(keyOf(id, role))?.language ?? preferred()),
  };
}
