// Characters of other programs: brought in as a card, and taken out as one.

import { Problem, call, newKey } from "../lib/api.js";
import { el } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";
import { dropZone } from "./drop_zone.js";
import { problemWords, reasonText } from "./faults.js";

const SEND_MS = 60_000;
const ACCEPT = ".png,.apng,.json,.charx,image/png,application/json";
const FORMATS = ["v2", "v3"];

/** A place that cards are dropped on. */
export function characterDrop({ personas }) {
  const outcome = el("div", { className: "card-report", role: "status" });
  const zone = dropZone({
    icon: "upload", title: t("studio.card.title"), about: t("studio.card.about"), choose: t("studio.card.choose"), accept: ACCEPT,
    onFiles: ([file]) => bring(file),
  });

  async function bring(file) {
    zone.setBusy(true);
    try {
      const { persona, report } = await call("POST", "/personas/import", { body: file, key: newKey(), patience: SEND_MS });
      personas.put(persona);
      outcome.replaceChildren(brought(persona, report));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      outcome.replaceChildren(el("p", { className: "fault", textContent: problemWords(problem) }));
    } finally {
      zone.setBusy(false);
    }
  }

  return el("section", { className: "studio-section bare" }, zone.node, outcome);
}

/** What became of a card: lists of names, each under what was done with them. */
function linesOf(report) {
  const one = (entry) => {
    if (typeof entry === "string") return entry;
    return entry.from ? `${entry.from} → ${entry.to}` : `${entry.key}: ${entry.fault}`;
  };
  return Object.entries(report).flatMap(([what, value]) => {
    const text = Array.isArray(value) ? value.map(one).join(", ") : String(value);
    return text ? [`${t(`studio.card.report.${what}`)}: ${text}`] : [];
  });
}

function brought({ slug, name }, report) {
  const heading = el("strong", { textContent: t("studio.card.brought", { name }) });
  const lines = linesOf(report).map((line) => el("li", { textContent: reasonText(line), dir: "auto" }));
  const open = el("a", { className: "button small", href: `#/studio/${slug}/settings`, textContent: t("studio.card.open") });
  return el("div", { className: "notice" }, heading, el("ul", { className: "report-lines" }, ...lines), open);
}

/** Links that save a persona as a card. */
export function cardLinks(persona) {
  const links = FORMATS.flatMap((format) => ["png", "json"].map((as) => el("a", {
    className: "button small", href: `/api/v1/personas/${persona.slug}/card?format=${format}&as=${as}`, download: "",
    textContent: t("studio.card.save_as", { format: format.toUpperCase(), as: as.toUpperCase() }),
  })));
  return el("div", { className: "field" }, el("strong", { textContent: t("studio.card.save") }),
    el("span", { className: "help", textContent: t("studio.card.save_about") }), el("p", { className: "button-row" }, ...links));
}
