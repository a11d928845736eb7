// Texts that a persona can begin with, so that nobody sits before an empty page.

import { t } from "../lib/i18n.js";

export const STARTS = [
  { name: "kin", icon: "users" },
  { name: "self", icon: "user" },
  { name: "character", icon: "book" },
  { name: "guide", icon: "globe" },
  { name: "blank", icon: "edit" },
];

/** The prompt of a start, with the name in it. Without values, so that no marks of direction come into the prompt. */
export function startText(start, name) {
  if (start === "blank") return "";
  return t(`studio.start.${start}.prompt`).replaceAll("{name}", name || t("studio.start.nobody"));
}
