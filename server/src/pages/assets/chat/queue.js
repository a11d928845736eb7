// Messages that wait behind the reply which is being written: why each waits, and how it is edited, moved or taken back.

import { Problem, call } from "../lib/api.js";
import { attempt, el, reconcile, setText, toast } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";
import { newEditor } from "./editor.js";
import { dragByGrip, moved } from "./reorder.js";
import { toolButton } from "./tools.js";
import { waitingText } from "./waiting_text.js";

const READ_EVERY_MS = 4_000;
const READ_AFTER_MS = 400;

/**
 * The queue of the conversation that is open, in `root`. `onMessage(message)` takes a message that has changed,
 * `onWithdrawn(id, content)` hears of one that is gone, `onLearned()` of news about what waits, `drafts` keeps edits.
 */
export function newQueue({ root, drafts, onMessage, onWithdrawn, onLearned, onRescued }) {
  /** By request, as the server tells it. */
  let known = new Map();
  let conversation = null;
  let rows = [];
  let timer = 0;
  let isWatched = false;
  const editing = new Set();
  const heading = el("h2", { className: "queue-heading" });
  const list = el("ol", { className: "queue-list" });
  root.append(heading, list);

  async function read() {
    clearTimeout(timer);
    const id = conversation;
    try {
      const { items } = await call("GET", `/conversations/${id}/queue`);
      if (id !== conversation) return;
      known = new Map(items.map((item) => [item.request_id, item]));
      items.forEach(({ message }) => onMessage(message));
      onLearned();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
    }
    if (isWatched) timer = setTimeout(() => (document.hidden ? readLater() : read()), READ_EVERY_MS);
  }

  function readLater() {
    clearTimeout(timer);
    timer = setTimeout(read, READ_EVERY_MS);
  }

  /** Reads now and then how what waits stands, as long as anything does. */
  function watch(id, isWaiting) {
    if (id !== conversation) {
      known = new Map();
      editing.clear();
    }
    conversation = id;
    if (isWaiting === isWatched) return;
    isWatched = isWaiting;
    clearTimeout(timer);
    if (isWatched) timer = setTimeout(read, READ_AFTER_MS);
  }

  /** `turns` are those that wait, in order, and `items` of the outbox that wait to be sent. */
  function show(turns, items) {
    rows = [
      ...turns.map((turn, at) => ({ key: turn.id, turn, text: turn.ask?.content ?? "", at, info: known.get(turn.id) })),
      ...items.map((item) => ({ key: `out ${item.key}`, item, text: item.content })),
    ];
    rescue(turns);
    root.hidden = rows.length === 0;
    setText(heading, t("chat.queue.title", { count: rows.length }));
    reconcile(list, rows, makeRow, updateRow);
  }

  /** An edit of a message whose turn has come meanwhile goes on in the composer. */
  function rescue(turns) {
    for (const id of editing) {
      if (turns.some((turn) => turn.id === id)) continue;
      const written = drafts.get(`queue:${id}`);
      editing.delete(id);
      drafts.set(`queue:${id}`, "");
      if (!written) continue;
      toast(t("problems.code.already_started"));
      onRescued(written);
    }
  }

  function makeRow({ turn }) {
    const text = el("span", { className: "queue-text", dir: "auto" });
    const why = el("span", { className: "queue-why quiet" });
    const row = el("li", { className: "queue-item" });
    if (!turn) {
      row.append(el("span", { className: "grip" }), el("span", { className: "queue-words" }, text, why));
      return row;
    }
    const { id } = turn;
    const grip = el("span", { className: "grip", ariaHidden: "true" }, icon("grip", "small"));
    const tools = el("span", { className: "queue-tools" },
      toolButton("chevron-down", "chat.queue.up", () => move(id, -1), "upside-down"),
      toolButton("chevron-down", "chat.queue.down", () => move(id, 1)),
      toolButton("edit", "chat.queue.edit", () => edit(id)), toolButton("close", "chat.queue.withdraw", () => withdraw(id)));
    row.append(grip, el("span", { className: "queue-words" }, text, why), tools);
    dragByGrip(row, grip, list, (by) => move(id, by));
    return row;
  }

  function updateRow(node, { turn, item, text, at, info }) {
    const [grip, words, tools] = node.children;
    setText(words.children[0], text);
    setText(words.children[1], item ? sendingText(item) : waitingText(info?.waiting ?? { reason: "conversation", ahead: at + 1 }));
    if (!turn) return;
    const isMovable = info?.can_change !== false;
    const last = rows.filter((row) => row.turn).length - 1;
    const [up, down, editIt] = tools.children;
    grip.hidden = last < 1 || !isMovable;
    up.hidden = down.hidden = last < 1 || !isMovable;
    up.disabled = at === 0;
    down.disabled = at === last;
    editIt.hidden = !isMovable;
    showEditor(node, turn);
  }

  function showEditor(node, { id, ask }) {
    const shown = node.querySelector(".editor");
    node.classList.toggle("editing", editing.has(id));
    if (!editing.has(id)) return shown?.remove();
    if (shown) return undefined;
    const draft = `queue:${id}`;
    const editor = newEditor({
      text: drafts.get(draft) || ask?.content || "", label: t("chat.queue.edit"), yes: t("chat.queue.save"),
      onInput: (value) => drafts.set(draft, value), onSend: (value) => save(id, value), onCancel: () => stopEditing(id),
    });
    node.append(editor);
    return editor.begin();
  }

  function edit(id) {
    editing.add(id);
    onLearned();
  }

  function stopEditing(id) {
    editing.delete(id);
    drafts.set(`queue:${id}`, "");
    onLearned();
  }

  /** What cannot be changed any more is said, and what was written is kept. */
  async function save(id, content) {
    try {
      onMessage(await call("PATCH", `/requests/${id}`, { body: { content } }));
      stopEditing(id);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      toast(problem.message);
      if (problem.status !== 409 && problem.status !== 404) return;
      stopEditing(id);
      onRescued(content);
    }
  }

  async function withdraw(id) {
    const answer = await attempt(() => call("POST", `/requests/${id}/withdraw`, { body: {} }));
    if (answer) onWithdrawn(id, answer.content);
    else read();
  }

  async function move(id, by) {
    const before = rows.filter(({ turn, info }) => turn && info?.can_change !== false).map(({ key }) => key);
    const order = moved(before, id, by);
    if (order.join() === before.join()) return;
    const focused = document.activeElement;
    const answer = await attempt(() => call("PUT", `/conversations/${conversation}/queue`, { body: { request_ids: order } }));
    if (!answer) return read();
    known = new Map(answer.items.map((item) => [item.request_id, item]));
    answer.items.forEach(({ message }) => onMessage(message));
    onLearned();
    requestAnimationFrame(() => focused?.isConnected && focused.focus());
    return undefined;
  }

  return { watch, read, show, withdraw, of: (id) => known.get(id) };
}

const sendingText = ({ waits }) => (waits ? t("chat.outbox.waits", { why: waits }) : t("chat.queue.sending"));
