// Earlier versions of a persona: what changed when, two of them side by side, and the way back.

import { Problem, call } from "../lib/api.js";
import { askFor, attempt, el, toast } from "../lib/dom.js";
import { formatDate, formatList, formatNumber, hasText, t } from "../lib/i18n.js";
import { button, section } from "./fields.js";
import { diffWords } from "./word_diff.js";

const PAGE = 50;

const fieldText = (name) => (hasText(`studio.field.${name}.label`) ? t(`studio.field.${name}.label`) : name.replaceAll("_", " "));

/** A value of a setting as a text that can be compared. */
function textOf(value) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map(textOf).join("\n");
  return typeof value === "object" ? JSON.stringify(value, null, 2) : String(value);
}

/** Which settings differ, each with what was and what is. */
export function differences(before, after) {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.map((name) => ({ name, before: textOf(before[name]), after: textOf(after[name]) })).filter((each) => each.before !== each.after);
}

/** The words of two texts, marked by what went and what came. */
export function diffNode(before, after) {
  const pieces = diffWords(before, after).map(({ kind, text }) =>
    (kind === "same" ? document.createTextNode(text) : el(kind === "in" ? "ins" : "del", { textContent: text })));
  return el("p", { className: "diff scrolls", dir: "auto", tabIndex: 0 }, ...pieces);
}

export function versionsPart({ persona, changed }) {
  const { slug } = persona;
  let versions = [];
  let next = null;
  const list = el("ol", { className: "rows versions-list", ariaLabel: t("studio.versions.title") });
  const status = el("p", { className: "quiet", role: "status", textContent: t("studio.reading") });
  const more = button(t("studio.more"), () => read());
  const [from, to] = ["from", "to"].map((which) => el("select", { ariaLabel: t(`studio.versions.${which}`), onchange: compare }));
  const chooser = el("p", { className: "compare-choice" }, el("span", { textContent: t("studio.versions.compare") }), from,
    el("span", { textContent: t("studio.versions.with") }), to);
  const comparison = el("div", { className: "comparison" });

  async function read() {
    try {
      const page = await call("GET", `/personas/${slug}/versions?limit=${PAGE}${next ? `&after=${encodeURIComponent(next)}` : ""}`);
      versions = [...versions, ...page.items];
      next = page.next ?? null;
      render();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      status.hidden = false;
      status.replaceChildren(el("span", { className: "fault", textContent: problem.message }), " ", button(t("common.retry"), read));
    }
  }

  function render() {
    more.hidden = !next;
    status.hidden = versions.length > 1;
    status.replaceChildren(t("studio.versions.one"));
    list.replaceChildren(...versions.map(row));
    const options = () => versions.map(({ version }) => el("option",
      { value: version, textContent: t("studio.versions.number", { number: version }) }));
    const chosen = [from.value || versions[1]?.version, to.value || versions[0]?.version];
    [from, to].forEach((select, at) => (select.replaceChildren(...options()), (select.value = chosen[at] ?? "")));
    chooser.hidden = versions.length < 2;
    compare();
  }

  function row({ version, created_at: at, changed: names = [], by }, place) {
    const what = names.length ? formatList(names.map(fieldText)) : t("studio.versions.first");
    const about = [formatDate(at), by && t("studio.versions.by", { name: by.name ?? by })].filter(Boolean).join(" · ");
    const current = el("span", { className: "chip tiny", textContent: t("studio.versions.current") });
    const restore = button(t("studio.versions.restore"), () => attempt(() => bringBack(version)));
    restore.ariaLabel = t("studio.versions.restore_number", { number: version });
    const look = button(t("studio.versions.look"),
      () => ((from.value = version), (to.value = versions[0].version), compare(), comparison.focus()), "button small plain");
    look.ariaLabel = t("studio.versions.look_at", { number: version });
    const words = el("span", { className: "what" }, el("strong", { textContent: `${formatNumber(version)} · ${what}` }),
      el("span", { className: "quiet", textContent: about }));
    return el("li", {}, words, ...(place === 0 ? [current] : [look, restore]));
  }

  function compare() {
    const [before, after] = [from, to].map(({ value }) => versions.find(({ version }) => String(version) === value));
    if (!before || !after || versions.length < 2) return comparison.replaceChildren();
    const found = differences(before.settings ?? {}, after.settings ?? {});
    const rows = found.map(({ name, before: was, after: is }) => el("div", { className: "diff-row" },
      el("h4", { textContent: fieldText(name) }), diffNode(was, is)));
    return comparison.replaceChildren(...(rows.length ? rows : [el("p", { className: "quiet", textContent: t("studio.versions.same") })]));
  }

  async function bringBack(version) {
    const title = t("studio.versions.restore_title", { number: version });
    if ((await askFor({ title, text: t("studio.versions.restore_text"), yes: t("studio.versions.restore") })) === null) return;
    await call("POST", `/personas/${slug}/versions/${version}/restore`);
    changed(await call("GET", `/personas/${slug}`));
    toast(t("studio.versions.restored", { number: version }));
    versions = [];
    next = null;
    from.value = to.value = "";
    await read();
  }

  comparison.tabIndex = -1;
  chooser.hidden = true;
  more.hidden = true;
  read();
  return {
    node: el("div", { className: "studio-single" }, section(t("studio.versions.title"), t("studio.versions.about"), status, list, more),
    el("section", { className: "studio-section" }, chooser, comparison)),
  };
}
