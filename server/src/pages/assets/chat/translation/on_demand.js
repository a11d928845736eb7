// Translations, which are loaded when the page is first used: until then it is not known whether there are any.

import { toast } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { whenUsed } from "../../lib/tasks.js";

/** `onChange(id)` hears of a request's translations, `onLoaded()` that there are some, or are none. */
export function translationsOnDemand({ user, onChange, onLoaded }) {
  let loaded;
  let loading = null;

  function load() {
    loading ??= import("./start.js").then(({ startTranslations }) => startTranslations({ user, onChange })).then(
      (started) => {
        loaded = started;
        onLoaded();
      },
      () => (loading = null),
    );
    return loading;
  }

  whenUsed(load);

  return {
    /** Null where messages cannot be translated; undefined while that is not known. */
    get: () => loaded,
    async toggle(id, role) {
      await load();
      if (loaded) return loaded.toggle(id, role);
      return toast(t(loaded === null ? "problems.code.translation_unavailable" : "common.not_loaded"));
    },
  };
}
