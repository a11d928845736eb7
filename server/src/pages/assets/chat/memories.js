// What a persona remembers of the user: listed, added to, and forgotten. Loaded when it is first opened.

import { Problem, call, newKey } from "../lib/api.js";
import { askFor, attempt, el, setText } from "../lib/dom.js";
import { formatDate, t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";
import { openPanel } from "../lib/panel.js";

const MAX_FACT = 500;

/** Opens the panel of a persona. */
export async function openMemories({ slug, name, remembers = true }) {
  const path = `/personas/${encodeURIComponent(slug)}/memories`;
  const { body } = openPanel(t("chat.memories.title", { name }));
  const list = el("ul", { className: "rows memories" });
  const status = el("p", { className: "quiet", role: "status", textContent: t("chat.reading") });
  const more = el("button", { type: "button", className: "button small", textContent: t("chat.memories.more"), hidden: true });
  const all = el("button", { type: "button", className: "link danger", textContent: t("chat.memories.forget_all"), hidden: true });
  const { form, input, fault } = addForm();
  let next = null;
  form.hidden = !remembers;
  const about = el("p", { className: "quiet", textContent: t(remembers ? "chat.memories.about" : "chat.memories.off", { name }) });
  body.append(about, form, status, list, el("p", { className: "panel-foot" }, more, all));

  async function read() {
    const page = await attempt(() => call("GET", `${path}?limit=100${next ? `&after=${encodeURIComponent(next)}` : ""}`));
    if (!page) return setText(status, t("chat.not_read"));
    list.append(...page.items.map(memoryRow));
    next = page.next ?? null;
    return showState();
  }

  function showState() {
    more.hidden = !next;
    all.hidden = list.childElementCount < 2;
    status.hidden = list.childElementCount > 0;
    setText(status, t("chat.memories.none", { name }));
  }

  function memoryRow({ id, fact, created_at, request_id }) {
    const forget = el("button", { type: "button", className: "tool" }, icon("trash", "small"));
    forget.ariaLabel = forget.title = t("chat.memories.forget", { fact });
    const said = t(request_id ? "chat.memories.said" : "chat.memories.added", { date: formatDate(created_at, { dateStyle: "medium" }) });
    const what = el("span", { className: "what" },
      el("span", { textContent: fact, dir: "auto" }), el("span", { className: "quiet", textContent: said }));
    const row = el("li", {}, what, forget);
    forget.onclick = async () => {
      const isGone = await attempt(async () => (await call("DELETE", `${path}/${id}`), true));
      if (!isGone) return;
      const beside = row.nextElementSibling ?? row.previousElementSibling;
      row.remove();
      (beside?.querySelector("button") ?? (remembers ? input : body)).focus();
      showState();
    };
    return row;
  }

  form.onsubmit = async (event) => {
    event.preventDefault();
    const fact = input.value.trim();
    if (!fact) return;
    try {
      const made = await call("POST", path, { body: { fact }, key: newKey() });
      input.value = "";
      fault.textContent = "";
      list.prepend(memoryRow(made));
      showState();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      fault.textContent = problem.message;
    }
  };
  all.onclick = async () => {
    const yes = t("chat.memories.forget_all");
    const sure = await askFor({ title: t("chat.memories.sure", { name }), text: t("chat.memories.sure_about"), yes, danger: true });
    if (sure === null || !(await attempt(async () => (await call("DELETE", path), true)))) return;
    list.replaceChildren();
    next = null;
    showState();
    input.focus();
  };
  more.onclick = read;
  await read();
}

function addForm() {
  const input = el("input", { className: "input", maxLength: MAX_FACT, placeholder: t("chat.memories.add_hint"), dir: "auto" });
  input.ariaLabel = t("chat.memories.add_hint");
  const fault = el("p", { className: "fault", role: "alert" });
  const add = el("button", { className: "button", textContent: t("chat.memories.add") });
  const form = el("form", { className: "add-memory" }, input, add, fault);
  return { form, input, fault };
}
