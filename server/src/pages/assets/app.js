// The chat page: the API, the state (pure), the socket, what happens, the view.
//
// Events, snapshots, lists and answers come in any order and more than once. So each reply is kept by its request's id,
// apart from whatever brought it, and only ever moves forward: an older cursor changes nothing, and an end is the end.

// ── API ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

const PATIENCE = 20_000;

/** An answer that says no, in words for a person. Status 0: there was no answer. */
export class Problem extends Error {
  constructor({ status = 0, detail, title, errors = [] }, retryAfter = 0) {
    super(sentence(detail || title || `the server answered ${status}`));
    Object.assign(this, { status, errors, retryAfter });
  }
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? "" : ".");

async function call(method, path, { body, key } = {}) {
  const caller = session;
  const headers = { Accept: "application/json" };
  if (body) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  let response, answer;
  try {
    const signal = AbortSignal.timeout(PATIENCE);
    response = await fetch(`/api/v1${path}`, { method, headers, body: body && JSON.stringify(body), signal });
    answer = response.status === 204 ? null : await response.json();
  } catch (error) {
    if (!response || response.ok) {
      const why = error.name === "TimeoutError" ? "the server took too long to answer" : "the server cannot be reached";
      throw new Problem({ detail: navigator.onLine ? why : "you are offline" });
    }
  }
  if (response.ok) return answer;
  if (response.status === 401 && caller && caller === session) leave("Your session has ended. Please sign in again.");
  throw new Problem({ ...answer, status: response.status }, Number(response.headers.get("Retry-After")) || 0);
}

/** Also where the page is served without TLS, and browsers keep `randomUUID` to themselves. */
const newKey = () =>
  crypto.randomUUID?.() ?? Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");

function stored(storage, name) {
  try {
    return JSON.parse(storage.getItem(name));
  } catch {
    return null;
  }
}

function store(storage, name, value) {
  try {
    value == null ? storage.removeItem(name) : storage.setItem(name, JSON.stringify(value));
  } catch {
    // Full or forbidden: it lasts as long as the page.
  }
}

// ── State ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export function parseCursor(text) {
  const parts = /^(\d+)-(\d+)$/.exec(text ?? "");
  return parts && [Number(parts[1]), Number(parts[2])];
}

export const isAfter = ([attempt, n], [otherAttempt, otherN]) =>
  attempt > otherAttempt || (attempt === otherAttempt && n > otherN);

export const keepCodePoints = (text, keep) => Array.from(text).slice(0, keep).join("");

export const isFinal = ({ status }) => status === "completed" || status === "failed" || status === "cancelled";

/** `unsure`: the server does not list it as running any more, and how it ended is not known yet. */
export const newReply = (id, conversation_id) => ({
  id, conversation_id, status: "queued", attempt: 0, cursor: [0, 0], text: "", message: null, incomplete: null, error: null, unsure: false,
});

const ended = (reply, status, { message = null, incomplete = null, error = null }) => ({
  ...reply, status, message, incomplete, error, text: message?.content ?? (status === "failed" ? reply.text : ""), unsure: false,
});

/** What an event makes of a reply. The very same reply comes back when the event is no news. */
export function applyEvent(reply, event) {
  const cursor = parseCursor(event.cursor);
  if (!cursor || isFinal(reply) || !isAfter(cursor, reply.cursor)) return reply;
  const next = { ...reply, cursor, attempt: cursor[0], unsure: false };
  switch (event.type) {
    case "request.queued": return next;
    case "request.started": return { ...next, status: "in_progress" };
    case "reply.delta": return { ...next, status: "in_progress", text: reply.text + event.text };
    case "reply.reset": return { ...next, status: "in_progress", text: keepCodePoints(reply.text, event.keep) };
    case "reply.completed": return ended(next, "completed", event);
    case "request.failed": return ended(next, "failed", event);
    case "request.cancelled": return ended(next, "cancelled", event);
    default: return reply;
  }
}

/** A snapshot replaces what is known, unless it is older. */
export function applySnapshot(reply, { status, cursor, text }) {
  const at = parseCursor(cursor) ?? [0, 0];
  if (isFinal(reply)) return reply;
  if (isAfter(reply.cursor, at)) return { ...reply, unsure: false };
  return { ...reply, status, text, cursor: at, attempt: at[0], unsure: false };
}

/** All replies after a hello: what runs is as it says; what does not run any more has ended somehow. */
export function applyHello(replies, { active = [] }) {
  const next = new Map();
  for (const [id, reply] of replies) next.set(id, isFinal(reply) ? reply : { ...reply, unsure: true });
  for (const snapshot of active) {
    const { request_id: id, conversation_id } = snapshot;
    next.set(id, applySnapshot(next.get(id) ?? newReply(id, conversation_id), snapshot));
  }
  return next;
}

/** The stored reply is the truth. */
export const applyMessage = (reply, message) => (isFinal(reply) ? reply : ended(reply, "completed", { message }));

/** A request as the API shows it; it tells no cursor, so it only settles what is open. */
export function applyRequest(reply, request) {
  if (isFinal(reply)) return reply;
  if (isFinal(request)) return ended(reply, request.status, { ...request, message: request.reply });
  return { ...reply, status: reply.status === "queued" ? request.status : reply.status, unsure: false };
}

/** The turns of a conversation in the order of asking, each with its question, its reply, or both. */
export function turnsOf({ asks, replies }, conversationId) {
  const turns = new Map();
  const turn = (id) => turns.get(id) ?? turns.set(id, { id }).get(id);
  for (const ask of asks.values()) if (ask.conversation_id === conversationId) turn(ask.request_id).ask = ask;
  for (const reply of replies.values()) if (reply.conversation_id === conversationId) turn(reply.id).reply = reply;
  // Requests have UUIDv7 for ids: they tell when it was asked, also where the question is on a page not read yet.
  return [...turns.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** The message being sent that a stored one must be: its POST has landed, whatever became of the answer. */
export const sentAs = (outbox, message) =>
  outbox.find((item) => item.posted && !item.request_id && item.conversation_id === message.conversation_id
    && item.content === message.content && Date.parse(message.created_at) > item.after);

// ── Socket ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Somewhere from 0.3 s up to a bound that doubles, and is 15 s at most. */
export const backoff = (tries, random = Math.random()) => 300 + random * (Math.min(15_000, 300 * 2 ** tries) - 300);

const QUIET = 25_000;
const AT_LEAST_TRIES = { 1012: 3, 1013: 5 };

/** Keeps a socket open. `onStatus` hears "connecting", "live", "waiting" (with the time of the next try) or "stopped". */
/** Seconds that a server which stops asks its clients to wait: each another time, so that not all come at once. */
export function pauseOf(reason) {
  try {
    return JSON.parse(reason).reconnect_after_ms / 1_000 || 0;
  } catch {
    return 0;
  }
}

function keepConnected({ newest, onFrame, onStatus }) {
  let socket, timer, tries = 0, run = 0, heard = 0, greeted = 0, status;
  const tell = (name, more) => onStatus((status = { name, ...more }));

  async function open() {
    const mine = ++run;
    clearTimeout(timer);
    socket?.close();
    socket = null;
    heard = Date.now();
    greeted = 0;
    tell("connecting");
    const ticket = await call("POST", "/ws-tickets").catch((problem) => problem);
    if (mine !== run) return;
    if (ticket instanceof Problem) return ticket.status === 401 ? tell("stopped", { why: ticket.message }) : later(ticket.retryAfter);
    const after = newest() ? `?after=${encodeURIComponent(newest())}` : "";
    socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/api/v1/ws${after}`, ["troupe.v1", `ticket.${ticket.ticket}`]);
    socket.onmessage = ({ data }) => mine === run && hear(JSON.parse(data));
    socket.onclose = ({ code, reason }) => mine === run && closed(code, reason);
  }

  function hear(frame) {
    heard = Date.now();
    if (frame.type === "hello" && !greeted) {
      greeted = Date.now();
      tell("live");
    }
    onFrame(frame);
  }

  function closed(code, reason) {
    if (code >= 4500 && code < 5000) return tell("stopped", { why: reason || `code ${code}` });
    if (greeted && Date.now() - greeted > 5_000) tries = 0;
    tries = Math.max(tries, AT_LEAST_TRIES[code] ?? 0);
    later(pauseOf(reason));
  }

  function later(seconds) {
    const pause = Math.max(backoff(++tries), seconds * 1_000);
    timer = setTimeout(open, pause);
    tell("waiting", { until: Date.now() + pause });
  }

  // A dead connection may look open for minutes: what stays quiet is asked, and replaced when it does not answer.
  function probe(patience) {
    const asked = Date.now();
    if (socket?.readyState === WebSocket.OPEN) socket.send('{"type":"ping"}');
    setTimeout(() => heard < asked && status.name !== "waiting" && status.name !== "stopped" && open(), patience);
  }
  setInterval(() => Date.now() - heard > QUIET && probe(10_000), QUIET / 2);
  const wake = () => (status.name === "waiting" ? open() : status.name === "live" && probe(4_000));
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && wake());
  addEventListener("online", () => status.name !== "stopped" && open());
  addEventListener("offline", wake);
  open();
  return open;
}

// ── What happens ─────────────────────────────────────────────────────────────────────────────────────────────────────

const SESSION = "troupe.session";
const [DRAFTS, OUTBOX, NOTICE] = ["troupe.drafts", "troupe.outbox", "troupe.notice"];
const LOST_FROM_SIGHT = 30_000;

let session = null;
let reconnect = null;
let connection = { name: "connecting" };
let place = { name: "home" };
let drafts = {};
let personas = [];
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

function enter(signedIn) {
  session = signedIn;
  const mine = session.user.id;
  drafts = stored(sessionStorage, DRAFTS)?.[mine] ?? {};
  // Whether these arrived is not known: they are shown as unsent, unless the list of messages tells otherwise.
  const restored = stored(sessionStorage, OUTBOX)?.[mine] ?? [];
  state.outbox = restored.map((item) => ({ ...item, failed: item.failed ?? "It is not certain that this was sent." }));
  showApp();
  attempt(async () => {
    personas = (await call("GET", "/personas?limit=50")).items;
    render();
  });
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
  location.reload();
}

const keepUnsent = () => {
  if (!session) return;
  store(sessionStorage, DRAFTS, { [session.user.id]: drafts });
  store(sessionStorage, OUTBOX, { [session.user.id]: state.outbox });
};

/** Does something whose failure is merely told. */
async function attempt(action) {
  try {
    return await action();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.status !== 401) toast(problem.message);
    return undefined;
  }
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

/** What a conversation is called after its first message. */
export const titleOf = (content) => {
  const line = content.trim().split("\n")[0];
  // Never half of a pair of surrogates: the server refuses such JSON.
  const start = keepCodePoints(line, 60);
  return start === line ? line : `${start.replace(/\s+\S*$/, "")}…`;
};

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
  if (place.name === "reset") return location.reload();
  unread.delete(place.id);
  stuck = place.name !== "account";
  showSide(false);
  showDraft();
  if (place.name === "account") return showAccount();
  if (place.name !== "chat") return;
  lookUp(place.id);
  attempt(() => readMessages(place.id));
}

/** Always anew: what is signed in, and how an export stands, changes elsewhere. */
async function showAccount() {
  const account = await import("/assets/account.js").catch(() => null);
  if (!account) return toast("The page could not be loaded. Please try again.");
  if (place.name !== "account") return;
  $("scroll").scrollTop = 0;
  account.show($("account"), { call, el, attempt, askFor, toast, email: session.user.email, closed: accountClosed });
}

function accountClosed() {
  [DRAFTS, OUTBOX].forEach((name) => store(sessionStorage, name, null));
  history.replaceState(null, "", location.pathname);
  leave("Your account is closed, and all that was yours is being deleted.");
}

// ── View ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

const $ = (id) => document.getElementById(id);
let stuck = true;
let frame = 0;
let toastTimer = 0;
let countdown = 0;

function el(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function setText(node, text) {
  const shown = node.firstChild ?? node.appendChild(document.createTextNode(""));
  // Only what is new: so a selection in the text survives while more of it comes.
  if (shown.data !== text) text.startsWith(shown.data) ? shown.appendData(text.slice(shown.data.length)) : (shown.data = text);
}

/** Makes the children of a node those of the rows, keeping the nodes of rows that stay. */
function reconcile(parent, rows, make, update) {
  const nodes = new Map();
  let at = parent.firstChild;
  for (const row of rows) {
    const node = parent.nodes?.get(row.key) ?? make(row);
    update(node, row);
    nodes.set(row.key, node);
    if (node === at) at = at.nextSibling;
    else parent.insertBefore(node, at);
  }
  while (at) [at] = [at.nextSibling, at.remove()];
  parent.nodes = nodes;
}

function paintAvatar(node, name, seed) {
  setText(node, (Array.from(name ?? "")[0] ?? "").toUpperCase());
  const hue = Array.from(seed ?? "").reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 340);
  node.style.setProperty("--hue", hue);
}

const personaNow = () => {
  if (place.name === "chat") return conversations.get(place.id)?.persona;
  return place.slug && (personas.find(({ slug }) => slug === place.slug) ?? { slug: place.slug, name: place.slug });
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
  $("home").hidden = place.name !== "home";
  $("intro").hidden = place.name !== "new";
  $("account").hidden = place.name !== "account";
  $("dock").hidden = place.name === "home" || place.name === "account";
  const make = ({ slug }) => el("a", { className: "persona", href: `#/new/${encodeURIComponent(slug)}` },
    el("span", { className: "avatar", ariaHidden: "true" }), el("span", {}, el("strong"), el("span", { className: "quiet" })));
  reconcile($("personas"), personas.map((p) => ({ key: p.slug, ...p })), make, (node, { slug, name, description }) => {
    paintAvatar(node.firstChild, name, slug);
    setText(node.lastChild.firstChild, name);
    setText(node.lastChild.lastChild, description ?? "");
  });
  const persona = personaNow();
  if (!persona) return;
  $("draft").placeholder = `Message ${persona.name}`;
  setText($("intro-name"), persona.name);
  setText($("intro-about"), persona.description ?? "");
  paintAvatar($("intro-avatar"), persona.name, persona.slug);
}

const failure = (reply) => sentence(reply.error?.detail ?? "the reply could not be written");

/** What stands under a reply that is not simply whole, or in place of one that has no text yet. */
function noteOf(reply) {
  if (reply.status === "failed") return failure(reply);
  if (reply.status === "cancelled") return "Stopped.";
  if (reply.incomplete) return { length: "The reply was too long.", filtered: "The rest was withheld." }[reply.incomplete] ?? "The reply was cut off.";
  if (isFinal(reply) || reply.text) return "";
  if (reply.attempt > 1) return `Trying again, attempt ${reply.attempt}`;
  return reply.status === "queued" ? "Waiting" : "Thinking";
}

/** The reply that a stop is meant for: of those in the conversation that have not ended, the first. */
export const toStop = (replies, id) =>
  [...replies.values()].filter((r) => r.conversation_id === id && !isFinal(r) && !r.unsure).sort((a, b) => (a.id < b.id ? -1 : 1))[0];

async function stopReply() {
  const reply = toStop(state.replies, place.id);
  if (reply) await attempt(() => call("POST", `/requests/${reply.id}/cancel`));
}

function rowsOf(id) {
  const rows = [];
  let lastDay = "";
  const day = (at) => {
    const text = at && dayOf(new Date(at));
    if (text && text !== lastDay) rows.push({ key: `day ${(lastDay = text)} ${rows.length && rows[rows.length - 1].key}`, kind: "day", text });
  };
  for (const { id: request, ask, reply } of turnsOf(state, id)) {
    day((ask ?? reply.message)?.created_at);
    if (ask) rows.push({ key: `ask ${request}`, kind: "ask", text: ask.content, at: ask.created_at });
    if (reply) rows.push({ key: `reply ${request}`, kind: "reply", reply, text: reply.text, at: reply.message?.created_at, ask });
  }
  for (const item of state.outbox) {
    if (item.conversation_id !== id || item.request_id) continue;
    day(item.at);
    rows.push({ key: `out ${item.key}`, kind: "ask", text: item.content, at: item.at, item });
  }
  return rows;
}

function dayOf(date) {
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(date).setHours(0, 0, 0, 0)) / 86_400_000);
  if (days < 2) return days < 1 ? "Today" : "Yesterday";
  const year = date.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  return date.toLocaleDateString(undefined, { weekday: "long", day: "numeric", month: "long", year });
}

function makeRow({ kind }) {
  if (kind === "day") return el("p", { className: "day" });
  const body = el("div", { className: "body" },
    el("span", { className: "unseen" }), el("div", { className: "text", dir: "auto" }), el("p", { className: "note" }));
  if (kind === "ask") return el("article", { className: "row ask" }, body);
  return el("article", { className: "row reply" }, el("span", { className: "avatar small", ariaHidden: "true" }), body);
}

function updateRow(node, row) {
  if (row.kind === "day") return setText(node, row.text);
  const { reply, item } = row;
  const persona = personaNow();
  const [speaker, text, note] = node.querySelector(".body").children;
  setText(speaker, reply ? `${persona?.name ?? "Reply"}:` : "You:");
  setText(text, row.text);
  text.title = row.at ? new Date(row.at).toLocaleString() : "";
  text.hidden = !row.text;
  node.classList.toggle("writing", Boolean(reply && !isFinal(reply)));
  node.classList.toggle("failed", Boolean(item?.failed ?? reply?.error));
  node.classList.toggle("pending", Boolean(item && !item.failed));
  if (reply) paintAvatar(node.firstChild, persona?.name, persona?.slug);
  const says = reply ? noteOf(reply) : item?.failed ? `Not sent. ${item.failed}` : "";
  note.hidden = !says;
  if (note.says === says) return;
  note.says = says;
  note.replaceChildren(el("span", { textContent: says }), ...actionsOf(row));
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
  reconcile($("thread"), place.name === "chat" ? rowsOf(place.id) : [], makeRow, updateRow);
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

function speak(text) {
  $("spoken").textContent = text;
}

function toast(text) {
  clearTimeout(toastTimer);
  $("toast").textContent = text;
  $("toast").hidden = false;
  toastTimer = setTimeout(() => ($("toast").hidden = true), 7_000);
}

/** Asks in a dialog: the text given, "" where none was asked for, or null for no. */
function askFor({ title, text = "", value, yes, danger = false, secret = false }) {
  const [dialog, input] = [$("dialog"), $("dialog-input")];
  $("dialog-title").textContent = title;
  $("dialog-text").textContent = text;
  $("dialog-yes").textContent = yes;
  $("dialog-yes").classList.toggle("danger", danger);
  input.hidden = value === undefined;
  input.type = secret ? "password" : "text";
  input.value = value ?? "";
  dialog.returnValue = "";
  dialog.showModal();
  if (value !== undefined) input.select();
  return new Promise((resolve) => {
    dialog.onclose = () => resolve(dialog.returnValue === "yes" ? input.value : null);
  });
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

/** What stands at the gate: signing in, joining, asking for a link, and setting a password by one. */
const GATES = {
  enter: { title: "Welcome back", submit: "Sign in", fields: ["email", "password"], question: "New here?", next: "Create an account", to: "join" },
  join: { title: "Create your account", submit: "Create account", fields: ["name", "email", "password"], question: "Have an account?", next: "Sign in", to: "enter" },
  forgot: { title: "Forgotten your password?", submit: "Send me a link", fields: ["email"], question: "Remembered it?", next: "Sign in", to: "enter" },
  reset: { title: "Choose a new password", submit: "Set the password", fields: ["password"], question: "Not now?", next: "Sign in", to: "enter" },
};

/** The faults of a form: those of the fields that are shown beside them, all others below. */
export function faultsOf({ message, errors }, fields) {
  const named = new Map();
  const rest = [];
  for (const error of errors) fields.includes(error.field) ? named.set(error.field, sentence(error.message)) : rest.push(error);
  // A link is not a field, and what is wrong with it is that.
  const told = rest.map((error) => sentence(error.field === "token" ? `this link ${error.message}` : error.message)).join(" ");
  return { named, below: told || (named.size ? "" : message) };
}

/** Does what the form is for; returns what stands at the gate next, and a word about it, unless somebody has signed in. */
async function passGate(gate, { name, email, password }) {
  if (gate === "forgot") {
    const { detail } = await call("POST", "/auth/password-resets", { body: { email } });
    return ["enter", sentence(detail)];
  }
  if (gate === "reset") {
    await call("PUT", "/auth/password-resets", { body: { token: placeAt(location.hash).token, password } });
    // All sign-ins have ended, this browser's too; and nobody who comes later is to find the link in its history.
    store(localStorage, SESSION, null);
    history.replaceState(null, "", location.pathname);
    return ["enter", "Your password is set. Please sign in with it."];
  }
  const signedIn = gate === "join"
    ? await call("POST", "/auth/register", { body: { email, password, name, session: true }, key: newKey() })
    : await call("POST", "/auth/login", { body: { email, password, session: true } });
  // Browsers drop the cookie silently where it is meant for https and the page is not.
  const kept = await call("GET", "/auth/me").catch(() => null);
  if (!kept) throw new Problem({ detail: "your browser did not keep the session: this address needs https" });
  const next = { user: signedIn.user };
  store(localStorage, SESSION, next);
  enter(next);
  return null;
}

function showGate() {
  const form = $("gate-form");
  let gate = placeAt(location.hash).name === "reset" ? "reset" : "enter";
  const showFaults = (problem) => {
    const { named, below } = faultsOf(problem, GATES[gate].fields);
    for (const input of form.querySelectorAll("input")) {
      setText($(`${input.name}-fault`), named.get(input.name) ?? "");
      input.ariaInvalid = String(named.has(input.name));
    }
    setText($("gate-fault"), below);
    form.querySelector("[aria-invalid=true]")?.focus();
  };
  const show = (which, notice) => {
    gate = which;
    const { title, submit, fields, question, next } = GATES[gate];
    for (const [id, text] of Object.entries({ title, submit, question, switch: next, notice: notice ?? "" })) setText($(`gate-${id}`), text);
    for (const name of ["name", "email", "password"]) $(`${name}-field`).hidden = !fields.includes(name);
    $("gate-notice").hidden = !notice;
    $("gate-forgot").hidden = gate !== "enter";
    form.password.autocomplete = gate === "enter" ? "current-password" : "new-password";
    form.password.value = "";
    showFaults({ message: "", errors: [] });
    form.elements[fields[0]].focus();
  };
  $("gate-switch").onclick = () => show(GATES[gate].to);
  $("gate-forgot").onclick = () => show("forgot");
  form.onsubmit = async (event) => {
    event.preventDefault();
    if ($("gate-submit").disabled) return;
    const [email, password, name] = [form.email.value.trim(), form.password.value, form.elements.name.value.trim()];
    $("gate-submit").disabled = true;
    try {
      const next = await passGate(gate, { email, password, name });
      if (next) show(...next);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      showFaults(problem);
    } finally {
      $("gate-submit").disabled = false;
    }
  };
  const notice = stored(sessionStorage, NOTICE);
  store(sessionStorage, NOTICE, null);
  $("gate").hidden = false;
  show(gate, notice);
}

if (typeof document !== "undefined") {
  // Signed in or out in another tab: begin anew as whoever it is now.
  addEventListener("storage", ({ key, storageArea }) => key === SESSION && storageArea === localStorage && location.reload());
  const kept = stored(localStorage, SESSION);
  // Whoever comes by a link that sets a password may be signed in, as whoever it was.
  kept?.user && placeAt(location.hash).name !== "reset" ? enter(kept) : showGate();
}
