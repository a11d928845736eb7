// What a persona has read: documents, how far their indexing is, and what a question would find.

import { Problem, call, newKey } from "../lib/api.js";
import { askFor, attempt, el, reconcile, setText, speak } from "../lib/dom.js";
import { formatDate, formatNumber, t } from "../lib/i18n.js";
import { dropZone } from "./drop_zone.js";
import { clearFaults, problemWords, reasonText, showFaults } from "./faults.js";
import { button, section, textField } from "./fields.js";
import { searchSection } from "./knowledge_search.js";

const POLL_MS = 1_000;
const MAX_POLL_MS = 8_000;
const SEND_MS = 300_000;
const ACCEPT = ".txt,.md,.markdown,.html,.htm,.pdf,text/plain,text/markdown,text/html,application/pdf";
const ADDRESS_START = "https://";
/** For what browsers know no type of. */
const TYPES = { md: "text/markdown", markdown: "text/markdown", txt: "text/plain" };

/** The title of a document, from the name of its file. */
export const titleOfFile = (name) => name.replace(/\.[^.]{1,8}$/, "").replace(/[_-]+/g, " ").trim().slice(0, 200);

function typed(file) {
  const type = TYPES[file.name.split(".").at(-1).toLowerCase()];
  return file.type || !type ? file : new Blob([file], { type });
}

export function formatSize(bytes) {
  const [unit, size] = bytes < 1_000 ? ["byte", bytes] : bytes < 1_000_000 ? ["kilobyte", bytes / 1_000] : ["megabyte", bytes / 1_000_000];
  return formatNumber(size, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: size < 10 ? 1 : 0 });
}

export function knowledgePart({ persona }) {
  const path = `/personas/${persona.slug}`;
  const list = el("ul", { className: "rows documents", ariaLabel: t("studio.knowledge.documents") });
  const sending = el("ul", { className: "rows sending" });
  const status = el("p", { className: "quiet", role: "status", textContent: t("studio.reading") });
  const indexing = el("p", { className: "indexing", role: "status" });
  const more = button(t("studio.more"), () => attempt(() => read(true)));
  let documents = [];
  let next = null;
  let timer = 0;
  let pause = POLL_MS;
  let ended = false;
  const zone = dropZone({
    icon: "upload", title: t("studio.knowledge.drop"), about: t("studio.knowledge.drop_about"), choose: t("studio.knowledge.choose"),
    accept: ACCEPT, multiple: true,
    onFiles: (files) => files.forEach((file) => upload(file)),
  });

  // ── Reading, and looking again while something is not finished

  async function read(isMore = false) {
    const page = await call("GET", `${path}/documents?limit=50${isMore && next ? `&after=${encodeURIComponent(next)}` : ""}`);
    documents = isMore ? [...documents, ...page.items] : [...page.items,
      ...documents.slice(page.items.length).filter(({ id }) => !page.items.some((item) => item.id === id))];
    if (isMore || !documents.length || documents.length <= page.items.length) next = page.next ?? null;
    render();
  }

  async function look() {
    clearTimeout(timer);
    try {
      const [progress] = await Promise.all([call("GET", `${path}/knowledge`), read()]);
      showIndexing(progress);
      const isBusy = progress.pending.sources > 0 || progress.pending.vectors > 0 || documents.some((document) => document.status === "pending");
      pause = isBusy ? Math.min(MAX_POLL_MS, pause * 1.3) : POLL_MS;
      if (isBusy && !ended) timer = setTimeout(look, pause);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      status.hidden = false;
      status.replaceChildren(el("span", { className: "fault", textContent: problem.message }), " ", button(t("common.retry"), look));
    }
  }

  function lookSoon() {
    pause = POLL_MS;
    return look();
  }

  function showIndexing({ passages, pending: { sources, vectors } }) {
    const isBusy = sources + vectors > 0;
    indexing.className = `indexing ${isBusy ? "is-busy" : ""}`.trim();
    const waiting = sources ? t("studio.knowledge.sources", { count: sources }) : t("studio.knowledge.vectors", { count: vectors });
    const text = isBusy ? waiting : t("studio.knowledge.ready");
    const words = `${t("studio.knowledge.passages", { count: passages })} · ${text}`;
    if (indexing.textContent !== words) indexing.replaceChildren(el("span", { className: `dot ${isBusy ? "accent beats" : "good"}` }),
      el("span", { textContent: words }));
  }

  // ── Documents

  function render() {
    status.hidden = documents.length > 0;
    setText(status, t("studio.knowledge.none", { name: persona.name }));
    more.hidden = !next;
    reconcile(list, documents.map((document) => ({ key: document.id, ...document })), documentRow, updateRow);
  }

  function documentRow({ id }) {
    const href = `/api/v1${path}/documents/${id}/content`;
    const open = el("a", { className: "button small plain", href, target: "_blank", rel: "noopener", textContent: t("studio.knowledge.open") });
    const words = el("span", { className: "what" }, el("strong", { className: "aligned", dir: "auto" }),
      el("span", { className: "quiet" }), el("span", { className: "fault" }));
    const remover = button(t("studio.knowledge.delete"), () => attempt(() => remove(id)), "button small plain");
    return el("li", {}, el("span", { className: "dot" }), words, el("span", { className: "row-actions" }, open, remover));
  }

  function updateRow(node, { title, status: state, passages, size, created_at: at, reason }) {
    const [dot, words, actions] = node.children;
    const [open, remover] = actions.children;
    const name = title ?? t("studio.knowledge.untitled");
    dot.className = `dot ${{ pending: "accent beats", ready: "good", failed: "danger" }[state]}`;
    setText(words.children[0], name);
    const found = state === "ready" ? t("studio.knowledge.passages", { count: passages }) : t(`studio.knowledge.status.${state}`);
    setText(words.children[1], [found, formatSize(size), formatDate(at, { dateStyle: "medium" })].join(" · "));
    setText(words.children[2], state === "failed" ? reasonText(reason) : "");
    open.hidden = state !== "ready";
    open.ariaLabel = t("studio.knowledge.open_named", { name });
    remover.ariaLabel = t("studio.knowledge.delete_named", { name });
  }

  async function remove(id) {
    const { title } = documents.find((document) => document.id === id);
    const question = { title: t("studio.knowledge.delete_title"), text: t("studio.knowledge.delete_text",
      { name: title ?? t("studio.knowledge.untitled") }), yes: t("studio.knowledge.delete"), danger: true };
    if ((await askFor(question)) === null) return;
    await call("DELETE", `${path}/documents/${id}`);
    documents = documents.filter((document) => document.id !== id);
    render();
    await lookSoon();
  }

  // ── Sending

  async function upload(file) {
    const name = el("strong", { textContent: file.name, dir: "auto" });
    const state = el("span", { className: "quiet", textContent: t("studio.knowledge.sending") });
    const row = el("li", {}, el("span", { className: "dot accent beats" }), el("span", { className: "what" }, name, state));
    sending.append(row);
    try {
      const title = titleOfFile(file.name);
      await call("POST", `${path}/documents${title ? `?title=${encodeURIComponent(title)}` : ""}`,
        { body: typed(file), key: newKey(), patience: SEND_MS });
      row.remove();
      speak(t("studio.knowledge.sent", { name: file.name }));
      await lookSoon();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      row.firstChild.className = "dot danger";
      state.className = "fault";
      state.role = "alert";
      setText(state, showFaults([], problem) || problemWords(problem));
      const close = button(t("common.dismiss"), () => row.remove(), "button small plain");
      row.append(close);
    }
  }

  more.hidden = true;
  look();
    const shelf = section(t("studio.knowledge.documents"), t("studio.knowledge.about", { name: persona.name }),
    zone.node, sending, addressForm(path, lookSoon), status, list, more, indexing);
  return {
    node: el("div", { className: "studio-single" },
      shelf, searchSection(persona)),
    leave() {
      ended = true;
      clearTimeout(timer);
    },
  };
}

/** A document by its address; `sent()` hears that there is one more. */
function addressForm(path, sent) {
  const [label, about] = ["studio.knowledge.address", "studio.knowledge.address_about"].map((key) => t(key));
  const url = textField({ name: "url", label, about, type: "url", max: 2_048, dir: "ltr", placeholder: ADDRESS_START });
  const fault = el("p", { className: "fault", role: "alert" });
  const submit = el("button", { className: "button", textContent: t("studio.knowledge.fetch") });
  const form = el("form", { className: "address", noValidate: true }, url.node, submit, fault);
  form.onsubmit = async (event) => {
    event.preventDefault();
    submit.disabled = true;
    submit.ariaBusy = "true";
    clearFaults([url]);
    setText(fault, "");
    try {
      await call("POST", `${path}/documents`, { body: { url: url.get() }, key: newKey(), patience: SEND_MS });
      url.set("");
      await sent();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      setText(fault, showFaults([url], problem));
    } finally {
      submit.disabled = false;
      submit.ariaBusy = "false";
    }
  };
  return form;
}
