// The lorebook of a persona: entries that a prompt has when the conversation comes to what they are about.

import { Problem, call } from "../lib/api.js";
import { askFor, attempt, el, setText, toast } from "../lib/dom.js";
import { formatList, t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";
import { dropZone } from "./drop_zone.js";
import { problemWords, showFaults } from "./faults.js";
import { button, section } from "./fields.js";
import { newKept } from "./kept.js";
import { idsOf, newEntry, settingsOf } from "./lore_entry.js";
import { loreRow } from "./lore_row.js";

const SEND_MS = 60_000;
const ACCEPT = ".json,.png,.apng,.charx,application/json,image/png";
const SPEC = "lorebook_v3";
/** Rows that are shown at once; more are asked for. */
const PAGE = 100;
/** Fewer entries are seen without looking for them. */
const MIN_SEARCHED = 8;

export function lorebookPart({ persona, drafts, changed }) {
  const path = `/personas/${persona.slug}/lorebook`;
  const kept = newKept(drafts, `lorebook ${persona.slug}`);
  /** As the server has it, as JSON; null where there is none. */
  let saved = null;
  /** As it is edited; null where there is none. */
  let book = null;
  /** What the last report found wrong, by the id of the entry. */
  let faults = new Map();
  let shownRows = PAGE;
  /** Those that are shown. */
  let rows = [];

  const status = el("p", { className: "quiet", role: "status", textContent: t("studio.reading") });
  const search = el("input", { className: "input", type: "search", dir: "auto", ariaLabel: t("studio.lorebook.search"), placeholder: t("studio.lorebook.search"),
    oninput: () => ((shownRows = PAGE), render()) });
  const looking = el("label", { className: "search" }, icon("search", "small"), search);
  const list = el("div", { className: "lore-entries", role: "group", ariaLabel: t("studio.part.lorebook") });
  const more = button(t("studio.more"), () => ((shownRows += PAGE), render()));
  const adder = button(t("studio.lorebook.add"), add, "button");
  const report = el("div", { className: "card-report", role: "status" });
  const zone = dropZone({
    icon: "upload", title: t("studio.lorebook.bring"), about: t("studio.lorebook.bring_about"), choose: t("studio.lorebook.choose"), accept: ACCEPT,
    onFiles: ([file]) => bring(file),
  });
  const download = el("a", { className: "button small", href: `/api/v1${path}`, download: `${persona.slug}-lorebook.json`, textContent: t("studio.lorebook.save_as") });
  const remover = button(t("studio.lorebook.delete"), () => attempt(removeBook), "button small danger");
  const takeOut = el("p", { className: "button-row" }, download, remover);
  const barText = el("p", { className: "bar-text", textContent: t("studio.lorebook.unsaved") });
  const fault = el("p", { className: "fault", role: "alert" });
  const save = button(t("studio.save"), store, "primary");
  const bar = el("div", { className: "studio-bar", hidden: true }, el("div", {}, barText, fault), button(t("studio.discard"), drop, "button plain"), save);

  const entries = () => (Array.isArray(book?.entries) ? book.entries : []);
  const textOf = (value) => (value ? JSON.stringify(value) : null);
  const isChanged = () => textOf(book) !== saved;

  // ── Reading and saving

  async function read() {
    try {
      // Without a lorebook there is nothing to read, and a 404 would be in the console.
      const found = persona.has_lorebook ? (await call("GET", path)).data : null;
      saved = textOf(found);
      book = kept.get()?.book ?? found;
      setReady(true);
      render();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      status.hidden = false;
      status.replaceChildren(el("span", { className: "fault", textContent: problem.message }), " ", button(t("common.retry"), read));
    }
  }

  /** What was not read is not written over. */
  function setReady(isReady) {
    adder.disabled = !isReady;
    zone.setBusy(!isReady);
  }

  async function store() {
    if (save.ariaBusy === "true") return;
    save.ariaBusy = "true";
    setText(fault, "");
    try {
      const sent = book;
      const found = await call("PUT", path, { body: { spec: SPEC, data: sent }, patience: SEND_MS });
      saved = textOf(sent);
      showReport(found);
      tellChanged(true);
      toast(t("studio.saved"));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      setText(fault, showFaults([], problem) || problemWords(problem));
    } finally {
      save.ariaBusy = null;
    }
  }

  async function bring(file) {
    const question = { title: t("studio.lorebook.replace_title"), text: t("studio.lorebook.replace_text"), yes: t("studio.lorebook.replace"), danger: true };
    if (book && (await askFor(question)) === null) return;
    zone.setBusy(true);
    try {
      const found = await call("PUT", path, { body: file, patience: SEND_MS });
      const { data } = await call("GET", path);
      book = data;
      saved = textOf(data);
      search.value = "";
      rows = [];
      showReport(found);
      tellChanged(true);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      report.replaceChildren(el("p", { className: "fault", textContent: showFaults([], problem) || problemWords(problem) }));
    } finally {
      zone.setBusy(false);
    }
  }

  async function removeBook() {
    const question = { title: t("studio.lorebook.delete_title"), text: t("studio.lorebook.delete_text"), yes: t("studio.lorebook.delete"), danger: true };
    if ((await askFor(question)) === null) return;
    if (saved) await call("DELETE", path);
    book = null;
    saved = null;
    faults = new Map();
    report.replaceChildren();
    noteChange();
    tellChanged(false);
    adder.focus();
  }

  function tellChanged(has) {
    if (persona.has_lorebook === has) return;
    persona = { ...persona, has_lorebook: has };
    changed(persona);
  }

  function drop() {
    book = JSON.parse(saved);
    setText(fault, "");
    noteChange();
    adder.focus();
  }

  /** What was stored, and what is wrong with it: at its entries too. */
  function showReport({ entries: count, key_faults: found, unknown_decorators: unknown }) {
    faults = Map.groupBy(found, ({ entry }) => entry);
    const lines = [
      found.length && t("studio.lorebook.faulty", { count: faults.size }), unknown.length && t("studio.lorebook.unknown", { names: formatList(unknown) }),
    ].filter(Boolean);
    const heading = el("strong", { textContent: t("studio.lorebook.stored", { count }) });
    report.replaceChildren(el("div", { className: lines.length ? "notice warn" : "notice" }, heading, ...lines.map((textContent) => el("p", { textContent }))));
    const open = new Set(rows.filter(({ node }) => node.open).map(({ at }) => at));
    noteChange();
    const faulty = rows.find((row) => row.isFaulty);
    for (const row of rows) if (row === faulty || open.has(row.at)) row.open();
  }

  // ── Entries

  function put(at, entry) {
    book = { ...book, entries: entry ? entries().with(at, entry) : entries().toSpliced(at, 1) };
    noteEdit();
  }

  function add() {
    book = { extensions: {}, ...book, entries: [...entries(), newEntry(entries())] };
    search.value = "";
    shownRows = Math.max(shownRows, entries().length);
    noteEdit();
    render();
    rows.at(-1).open().focus();
  }

  /** Typing changes no row but the one that is typed in. */
  function noteEdit() {
    bar.hidden = !isChanged();
    if (bar.hidden) kept.clear();
    else kept.set({ book });
  }

  function noteChange() {
    noteEdit();
    render();
  }

  function render() {
    const ids = idsOf(entries());
    const words = search.value.trim().toLocaleLowerCase();
    const isFound = (entry) => {
      const { name, keys, secondary_keys: secondary, content } = settingsOf(entry);
      return [name, ...keys, ...secondary, content].join("\n").toLocaleLowerCase().includes(words);
    };
    const found = entries().map((entry, at) => ({ entry, at })).filter(({ entry }) => !words || isFound(entry));
    status.hidden = found.length > 0;
    status.replaceChildren(t(words ? "studio.lorebook.not_found" : "studio.lorebook.none", { name: persona.name }));
    looking.hidden = entries().length < MIN_SEARCHED;
    more.hidden = found.length <= shownRows;
    takeOut.hidden = !book;
    download.hidden = !saved;
    const rowOf = ({ entry, at }) => {
      const own = faults.get(ids[at]) ?? [];
      const row = loreRow({ entry, faults: own, changed: (next) => put(at, next), remove: () => removeEntry(at) });
      return { ...row, at, isFaulty: own.length > 0 };
    };
    rows = found.slice(0, shownRows).map(rowOf);
    list.replaceChildren(...rows.map(({ node }) => node));
    bar.hidden = !isChanged();
  }

  function removeEntry(at) {
    const entry = entries()[at];
    const name = settingsOf(entry).name || t("studio.lorebook.untitled");
    const undo = () => {
      book = { ...book, entries: entries().toSpliced(at, 0, entry) };
      noteChange();
    };
    put(at, null);
    render();
    toast(t("studio.lorebook.entry_deleted", { name }), { action: { text: t("common.undo"), run: undo } });
    adder.focus();
  }

  setReady(false);
  more.hidden = true;
  looking.hidden = true;
  takeOut.hidden = true;
  read();
  return {
    node: el("div", { className: "studio-single" },
      section(t("studio.lorebook.title"), t("studio.lorebook.about", { name: persona.name }), looking, status, list, more, el("div", {}, adder)),
      section(t("studio.lorebook.exchange"), t("studio.lorebook.exchange_about"), zone.node, report, takeOut), bar),
    hasUnsaved: isChanged,
    leave: kept.end,
  };
}
