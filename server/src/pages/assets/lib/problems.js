// What the API says of a failure, in the page's language. The server's own words are English, and more exact.

import { hasText, language, t } from "./i18n.js";
import { sentence } from "./text.js";

/** What the server says of fields, and the text for each. Groups are the values of the text. */
const SAYINGS = [
  [/^must not be empty$/, "empty"],
  [/^must have at least (?<least>\d+) characters$/, "short"],
  [/^must not have more than (?<most>\d+) characters$/, "long"],
  [/^must not be longer than (?<most>\d+) bytes$/, "bytes"],
  [/^must be (?:from )?(?<least>\d+) to (?<most>\d+)$/, "between"],
  [/^must not contain a zero character$/, "zero"],
  [/^must be an e-mail address$/, "email"],
  [/^must not be one that is guessed first/, "common"],
  [/^must not be your e-mail address or your name$/, "own"],
  [/^is not (your password|the password of this account)$/, "not_yours"],
  [/^is not valid any more: ask for another link$/, "link"],
  [/^the address or the password is wrong$/, "wrong"],
];

const numbers = (groups) => Object.fromEntries(Object.entries(groups ?? {}).map(([name, value]) => [name, Number(value)]));

/** What is wrong with a field, as a sentence. */
export function faultText(message) {
  for (const [pattern, key] of SAYINGS) {
    const match = pattern.exec(message);
    if (match) return t(`problems.field.${key}`, numbers(match.groups));
  }
  return sentence(message);
}

/** A problem of the API as a sentence for a person. Status 0: there was no answer. */
export function problemText({ status = 0, code, detail, title }) {
  const own = `problems.code.${code}`;
  const said = detail && SAYINGS.some(([pattern]) => pattern.test(detail));
  if (said) return faultText(detail);
  if (language() !== "en" && code && hasText(own)) return t(own);
  return detail || title ? sentence(detail || title) : t("problems.unexpected", { status });
}
