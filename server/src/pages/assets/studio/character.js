// Characters of other programs: brought in as a card, and taken out as one.

import { Problem, call, newKey } from "../lib/api.js";
import { el } from "../lib/dom.js";
import { hasText, t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";
import { dropZone } from "./drop_zone.js";
import { problemWords, reasonText } from "./faults.js";

const SEND_MS = 60_000;
const ACCEPT = ".png,.apng,.json,.charx,image/png,application/json";
const FORMATS = ["v2", "v3"];
let isMissing = false;

/** A place that cards are dropped on. `isKnown()` says whether this server's personas look as if it took them. */
export function characterDrop({ personas, isKnown }) {
  const outcome = el("div", { className: "card-report", role: "status" });
  const zone = dropZone({
    icon: "upload", title: t("studio.card.title"), about: t("studio.card.about"), choose: t("studio.card.choose"), accept: ACCEPT,
    onFiles: ([file]) => bring(file),
  });
  const node = el("section", { className: "studio-section bare" }, zone.node, outcome);

  async function bring(file) {
    zone.setBusy(true);
    try {
      const { persona, report } = await call("POST", "/personas/import", { body: file, key: newKey(), patience: SEND_MS });
      personas.put(persona);
      outcome.replaceChildren(brought(persona, report));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      isMissing = problem.status === 404 || problem.status === 405;
      zone.node.hidden = isMissing;
      outcome.replaceChildren(el("p",
        { className: isMissing ? "notice" : "fault", textContent: isMissing ? t("studio.card.missing") : problemWords(problem) }));
    } finally {
      zone.setBusy(false);
    }
  }

  return { node, isThere: () => isKnown() && !isMissing };
}

/** A report is a list of lines, or lists of names under what became of them. */
function linesOf(report) {
  const one = (entry) => {
    if (typeof entry === "string") return entry;
    return entry.from ? `${entry.from} → ${entry.to}` : [entry.key, entry.fault].filter(Boolean).join(": ");
  };
  if (Array.isArray(report)) return report.map(one);
  return Object.entries(report ?? {}).flatMap(([what, value]) => {
    const heading = hasText(`studio.card.report.${what}`) ? t(`studio.card.report.${what}`) : what.replaceAll("_", " ");
    if (Array.isArray(value)) return value.length ? [`${heading}: ${value.map(one).join(", ")}`] : [];
    return value === null || value === false || typeof value === "object" ? [] : [`${heading}: ${value}`];
  });
}

function brought({ slug, name }, report) {
  const heading = el("strong", { textContent: t("studio.card.brought", { name }) });
  const lines = linesOf(report).map((line) => el("li", { textContent: reasonText(line), dir: "auto" }));
  const open = el("a", { className: "button small", href: `#/studio/${slug}/settings`, textContent: t("studio.card.open") });
  return el("div", { className: "notice" }, heading, el("ul", { className: "report-lines" }, ...lines), open);
}

/** Links that save a persona as a card, where the server makes them: those whose personas have greetings do. */
export function cardLinks(persona) {
  if (!("greetings" in persona)) return [];
  const links = FORMATS.flatMap((format) => ["png", "json"].map((as) => el("a", {
    className: "button small", href: `/api/v1/personas/${persona.slug}/card?format=${format}&as=${as}`, download: "",
    textContent: t("studio.card.save_as", { format: format.toUpperCase(), as: as.toUpperCase() }),
  })));
  return [el("div", { className: "field" }, el("strong", { textContent: t("studio.card.save") }),
    el("span", { className: "help", textContent: t("studio.card.save_about") }), el("p", { className: "button-row" }, ...links))];
}
