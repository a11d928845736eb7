// Receipts of lore: which entries of a lorebook a prompt had, by which key, and what kept the others out.

import { el } from "../lib/dom.js";
import { loadCatalogue, t } from "../lib/i18n.js";

/** Of the entries of `GET /requests/{id}/lore`; nothing where there are none. Loads the texts that it needs. */
export async function loreReceipt({ entries, withheld = false }) {
  if (entries.length === 0) return [];
  await loadCatalogue("lore");
  const [used, others] = [entries.filter((entry) => entry.used), entries.filter((entry) => !entry.used)];
  const left = el("details", { className: "left-out", hidden: others.length === 0 },
    el("summary", { textContent: t("lore.left_out", { count: others.length }) }), list(others));
  return [
    el("h3", { textContent: t("lore.title") }),
    el("p", { className: "quiet", textContent: t(used.length ? "lore.used" : "lore.none") }),
    ...(withheld ? [el("p", { className: "quiet", textContent: t("lore.withheld") })] : []), ...(used.length ? [list(used)] : []), left,
  ];
}

const list = (entries) => el("ul", { className: "rows lore" }, ...entries.map(row));

function row(entry) {
  const what = el("span", { className: "what" }, el("strong", { className: "aligned", dir: "auto", textContent: entry.name || t("lore.entry", { id: entry.id }) }),
    el("span", { textContent: t(`lore.reason.${entry.reason}`) }), el("span", { className: "quiet", textContent: aboutOf(entry).join(" · ") }));
  return el("li", {}, el("span", { className: `dot ${entry.used ? "good" : ""}`, ariaHidden: "true" }), what);
}

/** Where a key was found, and where the entry stands. */
export function aboutOf({ key, message, entry, place, tokens, used }) {
  return [
    key && t("lore.found", { key }),
    Number.isInteger(message) && (message === 0 ? t("lore.here") : t("lore.back", { count: message })),
    entry && t("lore.within", { id: entry }),
    used && place && placeText(place),
    used && tokens > 0 && t("lore.tokens", { count: tokens }),
  ].filter(Boolean);
}

function placeText({ at, depth }) {
  if (at !== "depth") return t(`lore.place.${at}`);
  return depth === 0 ? t("lore.place.end") : t("lore.place.depth", { count: depth });
}
