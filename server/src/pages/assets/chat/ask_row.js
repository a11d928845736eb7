// A question: its text, or the editor in place of it, its versions, and what can be done with it. Also one that is still
// on its way to the server, with why it is.

import { el, setText, titleOnPointer } from "../lib/dom.js";
import { formatDate, t } from "../lib/i18n.js";
import { newEditor } from "./editor.js";
import { onSwipe } from "./swipe.js";
import { versionsOf } from "./thread.js";
import { newVersions, toolButton } from "./tools.js";
import { newBeside } from "./translation/beside.js";

export function askRow({ act, context }) {
  let row = null;
  let editor = null;
  const speaker = el("span", { className: "unseen", textContent: t("chat.you_say") });
  const text = el("div", { className: "text bubble", dir: "auto" });
  const versions = newVersions("question", (id) => act.choose(row.turn, id));
  const edit = toolButton("edit", "chat.edit", () => act.edit(row.turn));
  const copy = toolButton("copy", "chat.copy", (button) => act.copy(row.text, button));
  const beside = newBeside({ text, role: "user", opener: (button) => button });
  const tools = el("div", { className: "tools" }, copy, beside.button, edit, versions.node);
  const body = el("div", { className: "body" }, speaker, beside.node, tools);
  const node = el("article", { className: "row ask" }, body);
  onSwipe(node, versions.step);
  titleOnPointer(text, () => (row.at ? formatDate(row.at, { dateStyle: "full", timeStyle: "short" }) : ""));

  function update(next) {
    row = next;
    setText(text, row.text);
    node.ariaLabel = t("chat.you_said");
    node.classList.toggle("is-last", row.isLast);
    versions.update(versionsOf(row.turn).question);
    const { editing, translations } = context(row.turn.id);
    beside.update(row.turn.id, translations, !editing);
    showEditor(editing);
  }

  function showEditor(isEditing) {
    text.hidden = tools.hidden = Boolean(isEditing);
    node.classList.toggle("editing", Boolean(isEditing));
    if (!isEditing) {
      editor?.remove();
      editor = null;
    } else if (!editor) {
      const { id } = row.turn;
      editor = newEditor({
        text: act.editDraft(id) || row.text, label: t("chat.edit"), yes: t("chat.editing.send"),
        onInput: (value) => act.keepEdit(id, value),
        onSend: (value) => act.sendEdit(id, value),
        onCancel: () => act.cancelEdit(id),
      });
      body.append(editor);
      editor.begin();
    }
  }

  return { node, update };
}

function sayingOf({ failed, waits }) {
  if (failed) return t("chat.outbox.failed", { why: failed });
  return waits ? t("chat.outbox.waits", { why: waits }) : "";
}

/** A message that is not at the server yet. */
export function outRow({ act }) {
  let row = null;
  const speaker = el("span", { className: "unseen", textContent: t("chat.you_say") });
  const text = el("div", { className: "text bubble", dir: "auto" });
  const note = el("p", { className: "note" });
  const node = el("article", { className: "row ask" }, el("div", { className: "body" }, speaker, text, note));

  function update(next) {
    row = next;
    const { item } = row;
    setText(text, row.text);
    node.ariaLabel = t("chat.you_said");
    node.classList.toggle("failed", Boolean(item.failed));
    node.classList.toggle("pending", !item.failed);
    const says = sayingOf(item);
    note.hidden = !says;
    if (note.says === says) return;
    note.says = says;
    const button = (key, run) => el("button", { type: "button", className: "link", textContent: t(key), onclick: run });
    const buttons = item.failed || item.waits
      ? [button("chat.outbox.again", () => act.sendAgain(row.item)), button("chat.outbox.edit", () => act.takeBack(row.item)),
        button("chat.outbox.discard", () => act.discard(row.item))]
      : [];
    note.replaceChildren(el("span", { textContent: says }), ...buttons);
  }

  return { node, update };
}
