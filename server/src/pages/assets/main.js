// The chat page: what it knows, what happens, and what is shown of it.

import { Problem, call, newKey, whenSignedOut } from "./lib/api.js";
import { keepConnected } from "./lib/connection.js";
import { $, askFor, attempt, el, paintAvatar, reconcile, setText, speak, toast } from "./lib/dom.js";
import { showGate } from "./gate/gate.js";
import { applyEvent, applyHello, applyMessage, applyRequest, isFinal, newReply, sentAs, toStop, turnsOf } from "./chat/replies.js";
import { failure, makeRow, rowsOf, updateRow } from "./chat/rows.js";
import { DRAFTS, NOTICE, OUTBOX, SESSION, store, stored } from "./lib/storage.js";
import { titleOf } from "./lib/text.js";

// ── What it knows ────────────────────────────────────────────────────────────────────────────────────────────────────

const LOST_FROM_SIGHT = 30_000;

let session = null;
let reconnect = null;
let connection = { name: "connecting" };
let place = { name: "home" };
let drafts = {};
let personas = [];
/** By slug, those that are not in the list: shared by their address. */
const others = new Map();
let newest = null;
let moreConversations = null;
let sending = Promise.resolve();
const state = { asks: new Map(), replies: new Map(), outbox: [] };
const conversations = new Map();
/** By conversation: where its earlier messages begin (`next`), and whether they are being read. */
const threads = new Map();
const unread = new Set();
const lookedUp = new Set();
const heardAt = new Map();
let stuck = true;
let frame = 0;
let countdown = 0;

/** Of who replies, where that is worth a line. */
const SPEAKERS = {
  local: "Replies come from a model on this machine.",
  small_local: "Replies come from a very small model on this machine, and are often wrong.",
  offline: "No model is set up: replies only quote what the persona has said.",
};

// ── What happens ─────────────────────────────────────────────────────────────────────────────────────────────────────

function enter(signedIn) {
  session = signedIn;
  const mine = session.user.id;
  whenSignedOut(() => leave("Your session has ended. Please sign in again."));
  drafts = stored(sessionStorage, DRAFTS)?.[mine] ?? {};
  // Whether these arrived is not known: they are shown as unsent, unless the list of messages tells otherwise.
  const restored = stored(sessionStorage, OUTBOX)?.[mine] ?? [];
  state.outbox = restored.map((item) => ({ ...item, failed: item.failed ?? "It is not certain that this was sent." }));
  showApp();
  attempt(async () => {
    personas = (await call("GET", "/personas?limit=50")).items;
    render();
  });
  attempt(async () => showSpeaker((await call("GET", "/ai/health")).speaker));
  go();
  reconnect = keepConnected({ newest: () => newest?.id, onFrame: hear, onStatus: showConnection });
  setInterval(() => place.name === "chat" && settle(place.id), LOST_FROM_SIGHT / 2);
}

/** Ends the session where it is kept; without an answer it is ended here alone, and says so. */
async function signOut() {
  try {
    await call("POST", "/auth/logout");
    leave();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    toast(`You are still signed in. ${problem.message}`);
  }
}

/** Ends the session in every tab. What was written and not sent stays for the next one of the same person in this tab. */
function leave(notice) {
  store(localStorage, SESSION, null);
  if (notice) store(sessionStorage, NOTICE, notice);
  else {
    [DRAFTS, OUTBOX].forEach((name) => store(sessionStorage, name, null));
    // Whoever signs in next has no business with the conversation that was open.
    history.replaceState(null, "", location.pathname);
  }
  session = null;
  whenSignedOut(null);
  location.reload();
}

const keepUnsent = () => {
  if (!session) return;
  store(sessionStorage, DRAFTS, { [session.user.id]: drafts });
  store(sessionStorage, OUTBOX, { [session.user.id]: state.outbox });
};

function showSpeaker(speaker) {
  $("speaker").hidden = !SPEAKERS[speaker];
  setText($("speaker").firstElementChild, SPEAKERS[speaker] ?? "");
}

function hear(frame) {
  if (frame.type === "hello") return greet(frame);
  if (!frame.request_id || !frame.conversation_id) return frame.type === "notice" && frame.message && toast(String(frame.message));
  if (frame.type === "request.queued" && frame.message) take(frame.message);
  change(frame.request_id, frame.conversation_id, (reply) => applyEvent(reply, frame));
  heardAt.set(frame.request_id, Date.now());
  lookUp(frame.conversation_id);
}

function greet(hello) {
  state.replies = applyHello(state.replies, hello);
  for (const message of hello.completed ?? []) {
    if (message.role === "assistant" && message.conversation_id !== place.id) unread.add(message.conversation_id);
    take(message);
  }
  attempt(readConversations);
  if (place.name === "chat") attempt(() => readMessages(place.id));
  render();
}

function change(id, conversationId, how) {
  const before = state.replies.get(id);
  const after = how(before ?? newReply(id, conversationId));
  if (after === before || (!before && after.cursor[0] + after.cursor[1] === 0 && !after.status)) return;
  state.replies.set(id, after);
  if (before && !isFinal(before) && isFinal(after)) tellEnd(after);
  render();
}

function tellEnd(reply) {
  if (reply.conversation_id !== place.id) return unread.add(reply.conversation_id);
  const name = conversations.get(place.id)?.persona.name ?? "Reply";
  speak(reply.status === "failed" ? `No reply. ${failure(reply)}` : `${name}: ${reply.text}`);
}

/** Takes in a stored message, from wherever it comes. */
function take(message, claim = true) {
  if (!newest || Date.parse(message.created_at) >= Date.parse(newest.created_at)) newest = message;
  const { request_id: id, conversation_id } = message;
  if (message.role !== "user") return change(id, conversation_id, (reply) => applyMessage(reply, message));
  const item = claim && !state.asks.has(id) && sentAs(state.outbox, message);
  if (item?.failed) drop(item);
  else if (item) item.request_id = id;
  state.asks.set(id, message);
  render();
}

async function readConversations(after) {
  const page = await call("GET", `/conversations?limit=30${after ? `&after=${encodeURIComponent(after)}` : ""}`);
  const read = new Set(page.items.map(({ id }) => id));
  const oldest = page.next ? page.items.at(-1).id : "";
  if (!after) for (const id of conversations.keys()) if (id >= oldest && !read.has(id)) conversations.delete(id);
  for (const conversation of page.items) conversations.set(conversation.id, conversation);
  if (after || moreConversations === null || !page.next) moreConversations = page.next;
  render();
}

/** A conversation that is in no list yet: opened by its address, or begun in another tab. */
async function lookUp(id) {
  if (conversations.has(id) || lookedUp.has(id)) return;
  lookedUp.add(id);
  const found = await call("GET", `/conversations/${id}`).catch(() => null);
  if (found) conversations.set(id, found);
  render();
}

async function readMessages(id, after) {
  let page;
  try {
    page = await call("GET", `/conversations/${id}/messages?limit=50${after ? `&after=${encodeURIComponent(after)}` : ""}`);
  } catch (problem) {
    if (problem.status === 404 && place.id === id) {
      conversations.delete(id);
      location.replace("#/");
    }
    throw problem;
  }
  const oldest = page.items.at(-1);
  const joins = !page.next || (oldest.role === "user" ? state.asks.has(oldest.request_id) : state.replies.get(oldest.request_id)?.message);
  // More was missed than one page holds: what was shown before would stand beside a gap.
  if (!after && threads.has(id) && !joins) forget(id);
  if (after || !threads.has(id)) threads.set(id, { next: page.next });
  page.items.forEach((message) => take(message));
  keepUnsent();
  render();
  settle(id);
}

function forget(id) {
  threads.delete(id);
  for (const [key, ask] of state.asks) if (ask.conversation_id === id) state.asks.delete(key);
  for (const [key, reply] of state.replies) if (reply.conversation_id === id && isFinal(reply)) state.replies.delete(key);
}

/** Asks how the replies stand that no event, snapshot or list has told of, or not for a while. */
async function settle(id) {
  if (connection.name !== "live" || !threads.has(id)) return;
  for (const { id: request, ask, reply } of turnsOf(state, id).reverse()) {
    const quiet = Date.now() - (heardAt.get(request) ?? 0) > LOST_FROM_SIGHT;
    if (reply ? isFinal(reply) || !(reply.unsure || quiet) : !ask || !quiet) continue;
    heardAt.set(request, Date.now());
    const found = await call("GET", `/requests/${request}`).catch((problem) => problem);
    if (found.status === 404) {
      // Deleted in another tab, most likely with its conversation: reading that leads away from it.
      state.replies.delete(request);
      return attempt(() => readMessages(id));
    }
    if (!(found instanceof Problem)) change(request, id, (known) => applyRequest(known, found));
  }
}

function post(conversationId, content) {
  const after = Math.max(0, ...turnsOf(state, conversationId).map(({ ask, reply }) => Date.parse((ask ?? reply.message)?.created_at) || 0));
  const item = { key: newKey(), conversation_id: conversationId, content, at: new Date().toISOString(), after };
  state.outbox.push(item);
  stuck = true;
  queue(item);
}

/** One after the other, so that messages arrive in the order of writing. */
function queue(item) {
  Object.assign(item, { failed: null, posted: true });
  keepUnsent();
  render();
  sending = sending.then(() => deliver(item));
}

async function deliver(item) {
  const { conversation_id: id, content, key } = item;
  try {
    const { request, message } = await call("POST", `/conversations/${id}/messages`, { body: { content }, key });
    drop(item);
    take(message, false);
    change(request.id, id, (reply) => applyRequest(reply, request));
    heardAt.set(request.id, Date.now());
  } catch (problem) {
    if (item.request_id) drop(item);
    else item.failed = problem.message;
  }
  keepUnsent();
  render();
}

function drop(item) {
  state.outbox = state.outbox.filter((other) => other !== item);
  keepUnsent();
}

async function submit() {
  const content = $("draft").value.trim();
  if (!content || $("send").disabled) return;
  const { name, slug } = place;
  let { id } = place;
  if (name === "new") {
    $("send").disabled = true;
    const body = { persona: slug, title: titleOf(content) };
    const created = await attempt(() => call("POST", "/conversations", { body, key: newKey() }));
    if (!created) return showDraft();
    ({ id } = created);
    conversations.set(id, created);
    threads.set(id, { next: null });
  }
  delete drafts[id];
  delete drafts[slug];
  $("draft").value = "";
  post(id, content);
  if (name === "new") location.replace(`#/c/${id}`);
  else showDraft();
}

async function renameOpen() {
  const conversation = conversations.get(place.id);
  const title = await askFor({ title: "Rename this conversation", value: conversation.title ?? conversation.persona.name, yes: "Rename" });
  if (!title?.trim() || title.trim() === conversation.title) return;
  const body = { title: title.trim() };
  const renamed = await attempt(() => call("PATCH", `/conversations/${conversation.id}`, { body }));
  if (renamed) conversations.set(renamed.id, renamed);
  render();
}

async function deleteOpen() {
  const { id } = place;
  const text = "All its messages go with it. This cannot be undone.";
  if ((await askFor({ title: "Delete this conversation?", text, yes: "Delete", danger: true })) === null) return;
  const deleted = await attempt(async () => (await call("DELETE", `/conversations/${id}`), true));
  if (!deleted) return;
  conversations.delete(id);
  lookedUp.add(id);
  forget(id);
  state.outbox.filter((item) => item.conversation_id === id).forEach(drop);
  if (place.id === id) location.replace("#/");
  render();
}

/** Where an address leads: home, if it makes no sense. */
export function placeAt(hash) {
  const [, kind, value = ""] = hash.split("/");
  // Ids go into paths of the API as they are: nothing else may pass for one.
  if (kind === "c" && /^[\w-]+$/.test(value)) return { name: "chat", id: value };
  if (kind === "reset" && /^[\w-]+$/.test(value)) return { name: "reset", token: value };
  if (kind === "verify" && /^[\w-]+$/.test(value)) return { name: "verify", token: value };
  if (kind === "join" && /^[\w-]+$/.test(value)) return { name: "join", invitation: value };
  if (kind === "account") return { name: "account" };
  try {
    if (kind === "new" && value) return { name: "new", slug: decodeURIComponent(value) };
  } catch {
    // A stray percent sign.
  }
  return { name: "home" };
}

/** Goes where the address says. */
function go() {
  place = placeAt(location.hash);
  if (place.token) return location.reload();
  // An invitation is for people without an account.
  if (place.name === "join") place = { name: "home" };
  unread.delete(place.id);
  stuck = place.name !== "account";
  showSide(false);
  showDraft();
  if (place.name === "account") return showAccount();
  if (place.name === "new") return meet(place.slug);
  if (place.name !== "chat") return;
  lookUp(place.id);
  attempt(() => readMessages(place.id));
}

/** Gets to know a persona that is not in the list. Where there is none, the way leads home. */
async function meet(slug) {
  if (personaNow()) return;
  const found = await call("GET", `/personas/${encodeURIComponent(slug)}`).catch((problem) => problem);
  if (!(found instanceof Problem)) others.set(slug, found);
  else if (found.status === 404 && place.slug === slug && !personaNow()) {
    toast("There is no such persona, or it is not shared with you.");
    location.replace("#/");
  }
  render();
}

/** Always anew: what is signed in, and how an export stands, changes elsewhere. */
async function showAccount() {
  const account = await import("./account/account.js").catch(() => null);
  if (!account) return toast("The page could not be loaded. Please try again.");
  if (place.name !== "account") return;
  $("scroll").scrollTop = 0;
  account.show($("account"), { email: session.user.email, closed: accountClosed });
}

function accountClosed() {
  [DRAFTS, OUTBOX].forEach((name) => store(sessionStorage, name, null));
  history.replaceState(null, "", location.pathname);
  leave("Your account is closed, and all that was yours is being deleted.");
}

// ── View ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

const personaNow = () => {
  if (place.name === "chat") return conversations.get(place.id)?.persona;
  return place.slug && (personas.find(({ slug }) => slug === place.slug) ?? others.get(place.slug));
};

const render = () => (frame ||= requestAnimationFrame(() => {
  frame = 0;
  renderSide();
  renderHead();
  renderHome();
  renderThread();
}));

function renderSide() {
  const busy = new Set([...state.replies.values()].filter((r) => !isFinal(r) && !r.unsure).map((r) => r.conversation_id));
  const rows = [...conversations.values()].sort((a, b) => (a.id < b.id ? 1 : -1)).map((c) => ({ key: c.id, ...c }));
  const make = ({ id }) => el("a", { href: `#/c/${id}` }, el("span", { className: "label" }), el("span", { className: "mark" }));
  reconcile($("conversations"), rows, make, (node, { id, title, persona }) => {
    const [label, mark] = node.children;
    setText(label, title ?? persona.name);
    node.title = title ? `${title} · ${persona.name}` : persona.name;
    node.toggleAttribute("aria-current", id === place.id);
    if (id === place.id) node.setAttribute("aria-current", "page");
    const what = busy.has(id) ? "busy" : unread.has(id) ? "unread" : "";
    mark.className = `mark ${what}`;
    mark.ariaLabel = { busy: "a reply is being written", unread: "new reply", "": null }[what];
    mark.role = what && "img";
  });
  $("more").hidden = !moreConversations;
}

function renderHead() {
  const persona = personaNow();
  const named = { home: "New conversation", account: "Your account" }[place.name];
  const title = named ?? conversations.get(place.id)?.title ?? persona?.name ?? "";
  setText($("title"), title);
  setText($("persona"), persona && title !== persona.name ? persona.name : "");
  document.title = place.name === "home" || !title ? "Troupe" : `${title} · Troupe`;
  $("rename").hidden = $("delete").hidden = !conversations.has(place.id);
}

function renderHome() {
  const persona = personaNow();
  $("home").hidden = place.name !== "home";
  $("intro").hidden = place.name !== "new" || !persona;
  $("account").hidden = place.name !== "account";
  $("dock").hidden = place.name === "home" || place.name === "account";
  const make = ({ slug }) => el("a", { className: "persona", href: `#/new/${encodeURIComponent(slug)}` },
    el("span", { className: "avatar", ariaHidden: "true" }), el("span", {}, el("strong"), el("span", { className: "quiet" })));
  reconcile($("personas"), personas.map((p) => ({ key: p.slug, ...p })), make, (node, { slug, name, description }) => {
    paintAvatar(node.firstChild, name, slug);
    setText(node.lastChild.firstChild, name);
    setText(node.lastChild.lastChild, description ?? "");
  });
  if (!persona) return;
  $("draft").placeholder = `Message ${persona.name}`;
  setText($("intro-name"), persona.name);
  setText($("intro-about"), persona.description ?? "");
  paintAvatar($("intro-avatar"), persona.name, persona.slug);
}

async function stopReply() {
  const reply = toStop(state.replies, place.id);
  if (reply) await attempt(() => call("POST", `/requests/${reply.id}/cancel`));
}

function actionsOf({ reply, item, ask }) {
  const button = (textContent, onclick) => el("button", { className: "link", type: "button", textContent, onclick });
  if (reply?.status === "failed" && ask) return [button("Ask again", () => post(ask.conversation_id, ask.content))];
  if (!item?.failed) return [];
  return [button("Try again", () => queue(item)), button("Edit", () => {
    drop(item);
    drafts[place.id] = [item.content, $("draft").value].filter(Boolean).join("\n");
    showDraft();
  })];
}

function renderThread() {
  const scroll = $("scroll");
  // What is being read stays where it is, whatever comes above it.
  const anchor = !stuck && [...$("thread").querySelectorAll(".row")].find((row) => row.offsetTop + row.offsetHeight > scroll.scrollTop);
  const before = anchor?.offsetTop;
  const persona = personaNow();
  reconcile($("thread"), place.name === "chat" ? rowsOf(state, place.id) : [], makeRow, (node, row) => updateRow(node, row, persona, actionsOf));
  $("earlier").hidden = !threads.get(place.id)?.next;
  if (stuck) scroll.scrollTop = scroll.scrollHeight;
  else if (anchor?.isConnected) scroll.scrollTop += anchor.offsetTop - before;
  $("latest").hidden = stuck || place.name !== "chat";
  $("stop").hidden = place.name !== "chat" || !toStop(state.replies, place.id);
}

async function showEarlier() {
  const thread = threads.get(place.id);
  if (!thread?.next || thread.reading) return;
  thread.reading = true;
  await attempt(() => readMessages(place.id, thread.next));
  thread.reading = false;
}

function showDraft() {
  $("draft").value = drafts[place.id ?? place.slug] ?? "";
  // After the next frame has shown the field: what is hidden has no height and takes no focus.
  render();
  requestAnimationFrame(() => {
    fitDraft();
    if (matchMedia("(hover: hover)").matches) $("draft").focus();
  });
}

function fitDraft() {
  const draft = $("draft");
  draft.style.height = "auto";
  draft.style.height = `${draft.scrollHeight}px`;
  $("send").disabled = !draft.value.trim();
  if (stuck) $("scroll").scrollTop = $("scroll").scrollHeight;
}

function showConnection(next) {
  if (connection.name === "live" && next.name === "waiting") speak("The connection was lost.");
  if (connection.name !== "live" && next.name === "live" && countdown) speak("Connected again.");
  connection = next;
  clearInterval(countdown);
  const left = () => Math.max(1, Math.ceil((next.until - Date.now()) / 1_000));
  const words = () => ({
    connecting: "Connecting…", live: "Live", waiting: `Reconnecting in ${left()} s`, stopped: `Disconnected: ${next.why}`,
  })[next.name];
  const show = () => setText($("live"), words());
  if (next.name === "waiting") countdown = setInterval(show, 500);
  $("live").className = `live is-${next.name}`;
  $("reconnect").hidden = next.name !== "waiting" && next.name !== "stopped";
  show();
}

function showSide(open) {
  const floats = matchMedia("(max-width: 50rem)").matches;
  document.body.classList.toggle("side-open", open);
  $("menu").ariaExpanded = String(open);
  $("main").inert = open && floats;
  if (open) $("side").querySelector("a").focus();
}

function greeting(name) {
  const hour = new Date().getHours();
  const part = hour < 5 ? "night" : hour < 12 ? "morning" : hour < 18 ? "afternoon" : "evening";
  return part === "night" ? `Still up, ${name}?` : `Good ${part}, ${name}`;
}

function showApp() {
  const { user } = session;
  $("gate").hidden = true;
  $("app").hidden = false;
  setText($("greeting"), greeting(user.name));
  setText($("me-name"), user.name);
  setText($("me-email"), user.email);
  paintAvatar($("me-avatar"), user.name, user.id);

  $("composer").addEventListener("submit", (event) => (event.preventDefault(), submit()));
  $("draft").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  });
  $("draft").addEventListener("input", () => {
    drafts[place.id ?? place.slug] = $("draft").value;
    keepUnsent();
    fitDraft();
  });
  $("scroll").addEventListener("scroll", ({ target }) => {
    stuck = target.scrollHeight - target.scrollTop - target.clientHeight < 40;
    $("latest").hidden = stuck || place.name !== "chat";
    if (target.scrollTop < 200 && !stuck) showEarlier();
  });
  new ResizeObserver(() => stuck && ($("scroll").scrollTop = $("scroll").scrollHeight)).observe($("scroll"));
  $("latest").onclick = () => {
    stuck = true;
    $("scroll").scrollTo({ top: $("scroll").scrollHeight, behavior: "smooth" });
    $("draft").focus();
  };
  $("stop").onclick = stopReply;
  $("earlier").onclick = showEarlier;
  $("more").onclick = () => attempt(() => readConversations(moreConversations));
  $("rename").onclick = renameOpen;
  $("delete").onclick = deleteOpen;
  $("reconnect").onclick = () => reconnect();
  $("sign-out").onclick = signOut;
  $("menu").onclick = () => showSide(!document.body.classList.contains("side-open"));
  $("veil").onclick = () => showSide(false);
  $("conversations").addEventListener("click", () => showSide(false));
  addEventListener("keydown", ({ key }) => {
    if (key !== "Escape" || !document.body.classList.contains("side-open")) return;
    showSide(false);
    $("menu").focus();
  });
  addEventListener("hashchange", go);
  $("dialog-form").addEventListener("submit", (event) => (event.preventDefault(), $("dialog").close("yes")));
  $("dialog-no").onclick = () => $("dialog").close();
}

if (typeof document !== "undefined") {
  // Signed in or out in another tab: begin anew as whoever it is now.
  addEventListener("storage", ({ key, storageArea }) => key === SESSION && storageArea === localStorage && location.reload());
  const kept = stored(localStorage, SESSION);
  // Whoever comes by a link of an e-mail may be signed in, as whoever it was.
  const { name, token, invitation } = placeAt(location.hash);
  kept?.user && !token ? enter(kept) : showGate({ name, token, invitation, entered: enter });
}
