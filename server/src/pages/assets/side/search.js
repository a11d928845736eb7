// The search over one's own messages, in place of the conversation list while something stands in its field.

import { Problem, call } from "../lib/api.js";
import { el, paintAvatar, setText } from "../lib/dom.js";
import { daysAgo, formatDate, formatRelative, t } from "../lib/i18n.js";

const DEBOUNCE_MS = 250;
const PAGE = 20;
const MIN_LETTERS = 2;

/** Titles are searched among the conversations that are loaded; messages by the server. */
export function matchingTitles(conversations, query, most = 5) {
  const wanted = query.toLocaleLowerCase();
  return conversations.filter(({ title }) => title?.toLocaleLowerCase().includes(wanted)).slice(0, most);
}

/** Searches for what is written in `input`, and shows it in `root`; `onActive` hears whether a search is shown. */
export function startSearch({ input, root, status, titles, onActive }) {
  let timer = 0;
  let run = 0;
  let next = null;

  const typed = () => input.value.trim();

  function clear() {
    run += 1;
    next = null;
    root.replaceChildren();
    setText(status, "");
    onActive(false);
  }

  async function search(after) {
    const mine = ++run;
    const wanted = typed();
    if (!after) setText(status, t("side.search.searching"));
    try {
      const query = new URLSearchParams({ q: wanted, limit: PAGE, ...(after && { after }) });
      const page = await call("GET", `/search/messages?${query}`);
      if (mine === run) show(page, wanted, Boolean(after));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine === run) setText(status, problem.message);
    }
  }

  function show(page, wanted, more) {
    const titled = more ? [] : matchingTitles(titles(), wanted);
    next = page.next ?? null;
    const nodes = [...titled.map(titleRow), ...page.items.map(resultRow)];
    if (more) root.append(...nodes);
    else root.replaceChildren(...nodes);
    const count = root.childElementCount;
    const found = next ? "side.search.found_more" : "side.search.found";
    setText(status, count ? t(found, { count }) : t("side.search.none", { query: wanted }));
    onActive(true);
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    if (Array.from(typed()).length < MIN_LETTERS) return clear();
    onActive(true);
    timer = setTimeout(search, DEBOUNCE_MS);
    return undefined;
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && input.value) {
      event.stopPropagation();
      input.value = "";
      clear();
    }
    if (event.key === "ArrowDown") {
      event.preventDefault();
      root.querySelector("a")?.focus();
    }
  });
  root.addEventListener("keydown", moveFocus);

  return {
    isActive: () => Array.from(typed()).length >= MIN_LETTERS,
    hasMore: () => next !== null,
    readMore: () => (next ? search(next) : undefined),
    clear() {
      input.value = "";
      clear();
    },
  };
}

function moveFocus(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const links = [...event.currentTarget.querySelectorAll("a")];
  links[links.indexOf(document.activeElement) + step]?.focus();
}

function titleRow({ id, title, persona }) {
  return foundRow(`#/c/${id}`, persona, title, el("span", { className: "excerpt quiet", textContent: persona.name }));
}

const saidAt = (time) => (daysAgo(time) < 7 ? formatRelative(time) : formatDate(time, { dateStyle: "medium" }));

function resultRow({ conversation, request_id, role, created_at, excerpt }) {
  const { id, title, persona } = conversation;
  const words = el("span", { className: "excerpt quiet aligned", dir: "auto" },
    ...excerpt.map(({ text, hit }) => (hit ? el("mark", { textContent: text }) : text)));
  const speaker = role === "user" ? t("side.search.you") : persona.name;
  const said = el("span", { className: "said quiet", textContent: [speaker, saidAt(created_at)].join(" · ") });
  return foundRow(`#/c/${id}/${request_id}`, persona, title ?? persona.name, words, said);
}

function foundRow(href, persona, title, ...children) {
  const avatar = el("span", { className: "avatar tiny", ariaHidden: "true" });
  paintAvatar(avatar, persona.name, persona.slug, persona.avatar_url);
  const heading = el("strong", { className: "clip", dir: "auto", textContent: title });
  return el("a", { className: "found", href }, avatar, el("span", { className: "words" }, heading, ...children));
}
