// What can be done with a conversation, from its row or from its own page.

import { call } from "../lib/api.js";
import { askFor, attempt, toast } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { openMenu } from "../lib/menu.js";

const MAX_FOLDER = 60;

const folderItem = (text, checked, run) => ({ icon: checked ? "check" : "folder", text, checked, run });

/** The actions on the conversations of a store. */
export function conversationActions(conversations) {
  async function change(id, body) {
    const changed = await attempt(() => call("PATCH", `/conversations/${id}`, { body }));
    if (changed) conversations.put(changed);
    return changed;
  }

  async function rename(conversation) {
    const value = conversation.title ?? conversation.persona.name;
    const title = (await askFor({ title: t("side.rename.title"), value, yes: t("side.rename.yes") }))?.trim();
    if (title && title !== conversation.title) await change(conversation.id, { title });
  }

  async function archive({ id }, archived) {
    if (!(await change(id, { archived }))) return;
    const undo = { text: t("common.undo"), run: () => change(id, { archived: !archived }) };
    toast(t(archived ? "side.archived" : "side.unarchived"), { action: undo });
  }

  async function move({ id, folder: before = null }, folder) {
    if (folder === before || !(await change(id, { folder }))) return;
    attempt(() => conversations.readFolders());
    const undo = async () => (await change(id, { folder: before })) && conversations.readFolders();
    const said = folder ? t("side.folder.moved", { folder }) : t("side.folder.removed");
    toast(said, { action: { text: t("common.undo"), run: () => attempt(undo) } });
  }

  async function moveToNew(conversation) {
    const name = await askFor({ title: t("side.folder.new"), value: "", max: MAX_FOLDER, yes: t("side.folder.create") });
    if (name?.trim()) await move(conversation, name.trim());
  }

  function chooseFolder(conversation, anchor) {
    const { folder = null } = conversation;
    const names = conversations.folders().map(({ name }) => name);
    openMenu(anchor, [
      { heading: t("side.folder.choose") },
      ...names.map((name) => folderItem(name, name === folder, () => move(conversation, name))),
      ...(names.length ? ["separator"] : []),
      { icon: "folder-plus", text: t("side.folder.new"), run: () => moveToNew(conversation) },
      ...(folder ? [{ icon: "close", text: t("side.folder.remove"), run: () => move(conversation, null) }] : []),
    ], t("side.folder.choose"));
  }

  async function chooseLanguage({ id }) {
    const loaded = await import("./reply_language.js").catch(() => null);
    if (!loaded) return toast(t("common.not_loaded"));
    return loaded.openReplyLanguage({
      current: () => (conversations.has(id) ? (conversations.get(id).language ?? null) : undefined),
      choose: (language) => change(id, { language }),
      onChange: conversations.onChange,
    });
  }

  async function remove({ id }) {
    const question = { title: t("side.delete.title"), text: t("side.delete.text"), yes: t("side.delete.yes"), danger: true };
    if ((await askFor(question)) === null) return;
    if (await attempt(async () => (await call("DELETE", `/conversations/${id}`), true))) conversations.remove(id);
  }

  /** Opens the menu of a conversation beside a button. */
  function openConversationMenu(id, anchor) {
    const conversation = conversations.get(id);
    if (!conversation) return;
    const { pinned_at: pinned, archived_at: archived, temporary } = conversation;
    const file = (format) => `/api/v1/conversations/${id}/export?format=${format}`;
    const [pinning, archiving] = [pinned ? "unpin" : "pin", archived ? "unarchive" : "archive"];
    // The menu of folders opens when this one has closed.
    const openFolders = () => requestAnimationFrame(() => chooseFolder(conversation, anchor));
    const keeping = [
      { icon: pinning, text: t(`side.menu.${pinning}`), run: () => change(id, { pinned: !pinned }) },
      { icon: "folder", text: t("side.menu.folder"), run: openFolders },
      { icon: archiving, text: t(`side.menu.${archiving}`), run: () => archive(conversation, !archived) },
    ];
    openMenu(anchor, [
      { icon: "edit", text: t("side.menu.rename"), run: () => rename(conversation) },
      { icon: "globe", text: t("side.menu.language"), run: () => chooseLanguage(conversation) },
      ...(temporary ? [] : keeping),
      "separator",
      { icon: "download", text: t("side.menu.export_markdown"), href: file("markdown") },
      { icon: "download", text: t("side.menu.export_json"), href: file("json") },
      "separator",
      { icon: "trash", text: t("side.menu.delete"), danger: true, run: () => remove(conversation) },
    ], t("side.menu.label", { title: conversation.title ?? conversation.persona.name }));
  }

  return { rename, remove, openConversationMenu };
}
