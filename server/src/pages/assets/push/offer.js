// The offer of notifications: shown once the first reply is finished, and never again after an answer.

import { attempt, toast } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { PUSH_OFFER, store, stored } from "../lib/storage.js";
import { pushState, turnOn } from "./push.js";

const ANSWERED = "answered";

/** `root` has a button to accept and one to dismiss, by `data-answer`. Returns what is to be called when a reply is finished. */
export function startPushOffer(root) {
  const answered = () => {
    store(localStorage, PUSH_OFFER, ANSWERED);
    root.hidden = true;
  };
  root.querySelector('[data-answer="no"]').onclick = answered;
  root.querySelector('[data-answer="yes"]').onclick = async () => {
    answered();
    const state = await attempt(() => turnOn().catch(asProblem));
    if (state && state !== "off") toast(t(`common.push.${state}`));
  };
  return async () => {
    if (stored(localStorage, PUSH_OFFER) === ANSWERED || !root.hidden) return;
    root.hidden = (await pushState()) !== "off";
  };
}

/** The browser's push service fails with exceptions of the browser, which mean nothing to a person. */
function asProblem(error) {
  if (!(error instanceof DOMException)) throw error;
  toast(t("common.push.not_kept"));
}
