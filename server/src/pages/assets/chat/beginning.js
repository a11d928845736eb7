// What is chosen before the first message: whether the conversation is a temporary one, and the language of its replies.

import { $, setText, toast } from "../lib/dom.js";
import { formatLanguage, onLanguageChange, t } from "../lib/i18n.js";

export function newBeginning() {
  let chosen = null;

  function showLanguage() {
    setText($("intro-language-name"), chosen ? formatLanguage(chosen) : t("side.language.own"));
  }

  function choose(language) {
    chosen = language;
    showLanguage();
    return true;
  }

  $("intro-language").onclick = async () => {
    const loaded = await import("../side/reply_language.js").catch(() => null);
    if (loaded) await loaded.openReplyLanguage({ current: () => chosen, choose });
    else toast(t("common.not_loaded"));
  };
  onLanguageChange(showLanguage);
  showLanguage();

  return {
    language: () => chosen,
    /** Of the conversation that is created. */
    body: () => ({ ...($("temporary").checked && { temporary: true }), ...(chosen && { language: chosen }) }),
    /** The next conversation begins without it. */
    reset() {
      $("temporary").checked = false;
      choose(null);
    },
  };
}
