// The side: conversations, search, and who is signed in. Its parts are in index.html; this file joins them.

import { $, attempt, paintAvatar, setText } from "../lib/dom.js";
import { onLanguageChange, t } from "../lib/i18n.js";
import { UNREAD, store, stored } from "../lib/storage.js";
import { onTab, tellTabs } from "../lib/tabs.js";
import { conversationActions } from "./actions.js";
import { renderList } from "./list.js";
import { startSearch } from "./search.js";

const ALL = { name: "all" };

/** Fills the side. `conversations` is the store of conversations.js; `signOut` ends the session. */
export function startSide({ user, conversations, signOut }) {
  const actions = conversationActions(conversations);
  let view = ALL;
  let openId = null;
  let frame = 0;
  let readingMore = false;

  const render = () => (frame ||= requestAnimationFrame(() => {
    frame = 0;
    renderView();
    renderList($("conversations"), conversations, view, openId);
    $("side-end").hidden = !conversations.hasMore(view);
    const loaded = conversations.hasMore(view) !== undefined;
    $("side-skeletons").hidden = loaded;
    $("side-empty").hidden = !loaded || $("conversations").childElementCount > 0 || $("side-end").hidden === false;
    setText($("side-empty"), t(`side.empty.${view.name}`));
  }));

  function renderView() {
    $("side-view").hidden = view === ALL;
    setText($("side-view-name"), view.name === "folder" ? view.folder : t("side.archive"));
    $("archive").ariaPressed = String(view.name === "archived");
  }

  function choose(next) {
    view = next;
    search.clear();
    $("side-scroll").scrollTop = 0;
    render();
    attempt(() => conversations.read(view));
  }

  /** Reads the first page of what is in sight anew: after a hello, and where no frame tells of changes. */
  async function read() {
    const views = view === ALL ? [ALL, { name: "pinned" }] : [view];
    await Promise.all([...views.map((each) => conversations.read(each)), conversations.readFolders()]);
  }

  async function readMore() {
    if (readingMore) return;
    readingMore = true;
    await attempt(() => (search.isActive() ? search.readMore() : conversations.read(view, true)));
    readingMore = false;
    // A page that adds no row (all of it is in folders) leaves the end in sight, and the observer silent.
    if (!search.isActive() && isInSight($("side-end"))) readMore();
  }

  function isInSight(node) {
    return !node.hidden && node.getBoundingClientRect().top < innerHeight && $("side").offsetWidth > 0;
  }

  const search = startSearch({
    input: $("search"), root: $("found"), status: $("search-status"), titles: () => conversations.list(ALL),
    onActive(active) {
      $("side-list").hidden = active;
      $("side-found").hidden = !active;
      $("found-end").hidden = !active || !search.hasMore();
    },
  });

  function open(shown) {
    const floats = matchMedia("(max-width: 50rem)").matches;
    document.body.classList.toggle("side-open", shown);
    $("menu").ariaExpanded = String(shown);
    $("main").inert = shown && floats;
    if (shown) $("side").querySelector("a").focus();
  }

  setText($("me-name"), user.name);
  setText($("me-email"), user.email);
  paintAvatar($("me-avatar"), user.name, user.id);
  $("sign-out").onclick = signOut;
  $("archive").onclick = () => choose(view.name === "archived" ? ALL : { name: "archived" });
  $("side-back").onclick = () => choose(ALL);
  $("menu").onclick = () => open(!document.body.classList.contains("side-open"));
  $("veil").onclick = () => open(false);
  $("side").addEventListener("click", ({ target }) => {
    const menu = target.closest("[data-menu]");
    const folder = target.closest("[data-folder]");
    if (menu) actions.openConversationMenu(menu.dataset.menu, menu);
    else if (folder) choose({ name: "folder", folder: folder.dataset.folder });
    else if (target.closest("a")) open(false);
  });
  addEventListener("keydown", ({ key }) => {
    // A menu or a dialog over the side is closed by the same key, and alone.
    if (key !== "Escape" || !document.body.classList.contains("side-open") || document.querySelector(":popover-open, dialog[open]")) return;
    open(false);
    $("menu").focus();
  });
  const observer = new IntersectionObserver((entries) => entries.some(({ isIntersecting }) => isIntersecting) && readMore(), { root: $("side-scroll"), rootMargin: "200px" });
  observer.observe($("side-end"));
  observer.observe($("found-end"));

  conversations.markUnread(stored(localStorage, UNREAD)?.[user.id] ?? []);
  conversations.onChange(render);
  conversations.onChange(() => keepUnread(user.id, conversations.unread()));
  onLanguageChange(render);
  onTab("read", (id) => conversations.markRead(id));
  render();

  return {
    read,
    open,
    actions,
    /** The page shows another place now: `{name, id}`. */
    show({ id = null }) {
      openId = id;
      conversations.show(id);
      if (id) tellTabs("read", id);
      open(false);
      render();
    },
  };
}

let kept = "";

/** What is unread stays so when the page is loaded again; an installed page shows how much it is at its icon. */
function keepUnread(userId, ids) {
  const now = ids.join();
  if (now === kept) return;
  kept = now;
  store(localStorage, UNREAD, ids.length ? { [userId]: ids } : null);
  if (ids.length) navigator.setAppBadge?.(ids.length).catch(() => {});
  else navigator.clearAppBadge?.().catch(() => {});
}
