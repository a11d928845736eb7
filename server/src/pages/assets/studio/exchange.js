// Answers in and out: a file of them brought in, with a report of every row, and all of them saved as one.

import { Problem, call, newKey } from "../lib/api.js";
import { el } from "../lib/dom.js";
import { formatNumber, t } from "../lib/i18n.js";
import { dropZone } from "./drop_zone.js";
import { problemWords, reasonText, saying } from "./faults.js";
import { button, section } from "./fields.js";

const SEND_MS = 120_000;
const FORMATS = ["json", "jsonl", "csv"];
const MAX_ROWS_SHOWN = 200;

/** By the end of its name; undefined where that says nothing. */
export const formatOf = (name) => FORMATS.find((format) => name.toLowerCase().endsWith(`.${format}`)) ?? (/\.ndjson$/i.test(name) ? "jsonl" : undefined);

/** The faults of rows, be they from a report or from a refusal (`row 117, content`). */
export function rowFaults({ refused, errors }) {
  if (refused) return refused.map(({ row, line, column, reason }) => ({ row, line: line ?? null, column: column ?? null, reason }));
  return (errors ?? []).map(({ field, message }) => {
    const [, row, column] = /^row (\d+)(?:, (.+))?$/.exec(field) ?? [];
    return { row: row ? Number(row) : null, line: null, column: column ?? (row ? null : field), reason: message };
  });
}

export function exchangeSection({ persona, imported }) {
  const path = `/personas/${persona.slug}/responses`;
  const outcome = el("div", { className: "import-report", role: "status" });
  const zone = dropZone({
    icon: "upload", title: t("studio.import.title"), about: t("studio.import.about"), choose: t("studio.import.choose"),
    accept: ".json,.jsonl,.ndjson,.csv", onFiles: ([file]) => bring(file),
  });

  async function bring(file, mode = "all_or_nothing") {
    const format = formatOf(file.name);
    if (!format) return outcome.replaceChildren(el("p", { className: "fault", textContent: t("studio.import.no_format") }));
    zone.setBusy(true);
    try {
      const report = await call("POST", `${path}/import?format=${format}&mode=${mode}`,
        { body: file, key: newKey(), patience: SEND_MS });
      outcome.replaceChildren(...reportNodes(report));
      imported();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      outcome.replaceChildren(...refusalNodes(problem, file));
    } finally {
      zone.setBusy(false);
    }
    return undefined;
  }

  function refusalNodes(problem, file) {
    const faults = rowFaults(problem);
    const others = button(t("studio.import.others"), () => bring(file, "row_by_row"));
    const word = faults.length ? t("studio.import.refused") : problemWords(problem);
    return [el("p", { className: "notice danger", textContent: word }), ...(faults.length ? [faultTable(faults)] : []),
      ...(problem.code === "import_refused" ? [others] : [])];
  }

  const links = FORMATS.map((format) => el("a", {
    className: "button small", href: `/api/v1${path}/export?format=${format}`, download: "",
    textContent: t("studio.export.as", { format: format.toUpperCase() }),
  }));
  return section(t("studio.exchange.title"), t("studio.exchange.about"), zone.node, outcome,
    el("div", { className: "field" }, el("strong", { textContent: t("studio.export.title") }), el("p", { className: "button-row" }, ...links)));
}

function reportNodes(report) {
  const counts = ["imported", "changed", "unchanged", "refused_rows", "questions_made"].filter((name) => report[name] > 0);
  const said = counts.map((name) => t(`studio.import.report.${name}`, { count: report[name] }));
  const textContent = [t("studio.import.report.rows", { count: report.rows }), ...said].join(" · ");
  const heading = el("p", { className: report.refused_rows ? "notice warn" : "notice", textContent });
  return [heading, ...(report.refused.length ? [faultTable(rowFaults(report))] : [])];
}

function faultTable(faults) {
  const names = ["row", "column", "reason"];
  const head = el("tr", {}, ...names.map((name) => el("th", { scope: "col", textContent: t(`studio.import.table.${name}`) })));
  const place = ({ row, line }) => (row === null ? "" : line === null ? formatNumber(row) : t("studio.import.table.line", { row, line }));
  const rows = faults.slice(0, MAX_ROWS_SHOWN).map((fault) => el("tr", {}, el("td", { textContent: place(fault) }),
    el("td", { textContent: fault.column ?? "", dir: "ltr" }), el("td", { textContent: reasonText(saying(fault.reason)) })));
  return el("div", { className: "table scrolls", tabIndex: 0, role: "region", ariaLabel: t("studio.import.refused") },
    el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows)));
}
