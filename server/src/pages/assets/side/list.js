// The rows of the conversation list.

import { el, paintAvatar, reconcile, setText, titleOnPointer } from "../lib/dom.js";
import { formatDate, formatNumber, t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";
import { activityOf } from "./conversations.js";
import { conversationRow, groupRows } from "./groups.js";

/** Rows of a view: folders and groups where it is the whole list, else conversations alone. */
export function rowsOf(conversations, view, now = Date.now()) {
  const listed = conversations.list(view);
  if (view.name !== "all") return listed.map(conversationRow);
  const folderRow = ({ name, conversations: count }) => ({ key: `folder ${name}`, kind: "folder", name, count });
  const folders = conversations.folders().map(folderRow);
  const heading = folders.length ? [{ key: "folders", kind: "group", group: "folders" }] : [];
  // What is in a folder is found there; a pin outweighs that.
  const loose = listed.filter(({ folder, pinned_at }) => !folder || pinned_at);
  return [...heading, ...folders, ...groupRows(loose, now)];
}

const titleOf = ({ title, persona }) => title ?? persona.name;

const MAKERS = {
  group: () => el("h2", { className: "group" }),
  folder: ({ name }) => el("button", { type: "button", className: "item folder" },
    icon("folder"), label(name), mark(), el("span", { className: "count quiet" })),
  conversation: ({ conversation: { id } }) => el("div", { className: "item" },
    el("a", { href: `#/c/${id}` }, el("span", { className: "avatar tiny", ariaHidden: "true" }), label(""), mark()), rowMenu(id)),
};

const label = (textContent) => el("span", { className: "label clip", dir: "auto", textContent });
const mark = () => el("span", { className: "mark" });

function rowMenu(id) {
  const button = el("button", { type: "button", className: "tool" }, icon("more"));
  button.dataset.menu = id;
  button.ariaHasPopup = "menu";
  button.ariaExpanded = "false";
  return button;
}

/** Shows the rows in `root`; `openId` is the conversation that is open. */
export function renderList(root, conversations, view, openId) {
  const updaters = {
    group: (node, { group }) => setText(node, t(`side.group.${group}`)),
    folder: (node, row) => updateFolder(node, row, conversations),
    conversation: (node, { conversation }) => updateConversation(node, conversation, conversations, openId),
  };
  const make = (row) => MAKERS[row.kind](row);
  reconcile(root, rowsOf(conversations, view), make, (node, row) => updaters[row.kind](node, row));
}

function updateConversation(node, conversation, conversations, openId) {
  const { id, persona } = conversation;
  const [link, menu] = node.children;
  const [avatar, name, state] = link.children;
  const title = titleOf(conversation);
  paintAvatar(avatar, persona.name, persona.slug, persona.avatar_url);
  setText(name, title);
  const names = [title === persona.name ? "" : title, persona.name];
  titleOnPointer(link, () => [...names, formatDate(activityOf(conversation))].filter(Boolean).join(" · "));
  if (id === openId) link.setAttribute("aria-current", "page");
  else link.removeAttribute("aria-current");
  updateMark(state, conversations.isBusy(id) ? "busy" : conversations.isUnread(id) ? "unread" : "");
  node.classList.toggle("is-unread", conversations.isUnread(id));
  menu.ariaLabel = t("side.menu.label", { title });
}

function updateFolder(node, { name, count }, conversations) {
  const inside = conversations.list({ name: "folder", folder: name });
  const busy = inside.some(({ id }) => conversations.isBusy(id));
  const unread = inside.some(({ id }) => conversations.isUnread(id));
  node.dataset.folder = name;
  updateMark(node.children[2], busy ? "busy" : unread ? "unread" : "");
  setText(node.lastChild, formatNumber(count));
}

function updateMark(mark, what) {
  mark.className = `mark ${what}`;
  mark.role = what ? "img" : null;
  mark.ariaLabel = what ? t(`side.mark.${what}`) : null;
}
