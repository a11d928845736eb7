// Translations where there is somebody who makes them, and the language that somebody reads them in: the one that was
// chosen last, or that of the page.

import { call } from "../../lib/api.js";
import { language } from "../../lib/i18n.js";
import { readLanguages } from "../../lib/languages.js";
import { TRANSLATION, store, stored } from "../../lib/storage.js";
import { newTranslations } from "./translations.js";
import { newTranslationView } from "./view.js";

/** `storage` may hold anything: a language that is not listed is as if it were not there. */
export function preferredLanguage(storage, userId, languages) {
  const kept = stored(storage, TRANSLATION)?.[userId];
  return languages.some(({ code }) => code === kept) ? kept : language();
}

export function keepPreferred(storage, userId, code) {
  store(storage, TRANSLATION, { ...stored(storage, TRANSLATION), [userId]: code });
}

/** Resolves to null where messages cannot be translated. `onChange(id)` hears of a request's translations. */
export async function startTranslations({ user, onChange }) {
  const { items, translates } = await readLanguages();
  if (!translates) return null;
  const translations = newTranslations({
    call, onChange,
    languages: () => items,
    preferred: () => preferredLanguage(localStorage, user.id, items),
    prefer: (code) => keepPreferred(localStorage, user.id, code),
  });
  return { ...translations, newView: newTranslationView };
}
