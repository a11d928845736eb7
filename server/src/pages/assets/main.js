// The start of the page: who is signed in, where the address leads, and the connection that keeps it up to date.

import { startBackground } from "./chat/background.js";
import { showPlace } from "./chat/head.js";
import { Problem, call, whenSignedOut } from "./lib/api.js";
import { keepConnected } from "./lib/connection.js";
import { connectionStatus } from "./lib/connection_status.js";
import { $, askFor, attempt, setText, speak, toast } from "./lib/dom.js";
import { loadCatalogue, onLanguageChange, startLanguage, t, translate } from "./lib/i18n.js";
import { NOTICE, SESSION, store, stored } from "./lib/storage.js";
import { nextTask, whenIdle } from "./lib/tasks.js";
import { startTheme } from "./lib/theme.js";
import { startOffline } from "./offline/updates.js";
import { startPushOffer } from "./push/offer.js";
import { refreshPush } from "./push/push.js";
import { placeAt } from "./routes.js";
import { newConversations } from "./side/conversations.js";
import { startGallery } from "./side/gallery.js";
import { newPersonas } from "./side/personas.js";
import { startSide } from "./side/side.js";

/** Of who replies, where that is worth a line. */
const SPEAKERS = new Set(["local", "small_local", "offline"]);

/** Roles that the control room is for; what each may do there, the server decides. */
const MAY_LOOK = new Set(["admin", "auditor"]);

/** The page of somebody who has signed in. */
async function enter({ user }) {
  const conversations = newConversations(call);
  const personas = newPersonas(call);
  personas.onChange(() => conversations.followPersonas(personas.get));
  const background = startBackground({ user, conversations, onReply: startPushOffer($("push-offer")) });
  await nextTask();
  const side = startSide({ user, conversations, signOut: () => signOut(background) });
  const gallery = startGallery({ root: $("home"), user, personas });
  const chat = chatOnDemand({ user, background, conversations, personas, go: (hash) => location.replace(hash) });
  const parts = { user, conversations, personas, background, side, gallery, chat };
  $("control-link").hidden = !MAY_LOOK.has(user.role);
  $("gate").hidden = true;
  $("app").hidden = false;
  whenSignedOut(() => leave(t("common.session.ended")));
  startDialog();
  showSpeaker();
  $("conversation-menu").onclick = ({ currentTarget }) => side.actions.openConversationMenu(here().id, currentTarget);
  $("skip").onclick = (event) => {
    event.preventDefault();
    $("main").focus();
  };
  addEventListener("hashchange", () => go(parts));
  onLanguageChange(() => chat.loaded() ?? showPlace(here(), {}));
  go(parts);
  await nextTask();
  connect(parts);
  whenIdle(() => refreshPush().catch(() => {}));
}

/** Where the page is. An invitation is for people without an account. */
function here() {
  const place = placeAt(location.hash);
  return place.name === "join" ? { name: "home" } : place;
}

/** The conversation, loaded when the first one is opened: the gallery and the account page need nothing of it. */
function chatOnDemand(parts) {
  let chat = null;
  let loading = null;
  const load = () => (loading ??= loadChat().then(
    ({ startChat }) => (chat = startChat(parts)),
    () => {
      loading = null;
      toast(t("common.not_loaded"));
    },
  ));
  // On the way to a link of one.
  addEventListener("pointerover", ({ target }) => target.closest?.('a[href^="#/c/"], a[href^="#/new/"]') && load());
  return { load, loaded: () => chat };
}

/** Others' modules first, each in a task of its own: they take the longest to begin. */
async function loadChat() {
  await import("./vendor/marked/marked.js");
  await nextTask();
  await import("./vendor/dompurify/dompurify.js");
  await nextTask();
  return import("./chat/chat.js");
}

function connect({ chat, background, side, conversations }) {
  const { store: known, outbox } = background;
  const readAll = () => Promise.all([side.read(), chat.loaded()?.read()]);
  const showStatus = connectionStatus({ label: $("live"), retry: $("reconnect"), speak });
  const retry = keepConnected({
    newest: () => known.newest()?.id,
    openRequests: () => known.open(here().id),
    onFrame(frame) {
      if (frame.type === "notice" && frame.message) toast(String(frame.message));
      conversations.hear(frame);
      known.hear(frame);
      if (frame.type === "hello") attempt(readAll);
    },
    onRequest(request) {
      conversations.hearRequest(request);
      known.hearRequest(request);
    },
    onSync: readAll,
    onStatus(status) {
      showStatus(status);
      // What could not be sent is tried again as soon as the server answers.
      if (status.name === "live") outbox.flush();
    },
  });
  $("reconnect").onclick = retry;
}

/** Goes where the address says. */
async function go({ user, chat, side, gallery, personas, conversations, background }) {
  const place = here();
  // A link of an e-mail is for the gate.
  if (place.token) return location.reload();
  const isConversation = place.name === "chat" || place.name === "new";
  $("home").hidden = place.name !== "home";
  $("account").hidden = place.name !== "account";
  $("control").hidden = place.name !== "control";
  $("studio").hidden = place.name !== "studio";
  side.show(place);
  if (chat.loaded()) chat.loaded().show(place);
  else if (isConversation) chat.load().then(() => chat.loaded()?.show(here()));
  else showPlace(place, {});
  if (place.name === "home") return gallery.show();
  if (place.name === "account") return showAccount(user);
  if (place.name === "control") return showControl();
  if (place.name === "studio") return showStudio({ personas, drafts: background.drafts });
  if (place.name === "new") return meet(place.slug, personas);
  return attempt(() => conversations.find(place.id));
}

/** Gets to know a persona that is in no list. Where there is none, the way leads home. */
async function meet(slug, personas) {
  const found = await attempt(() => personas.meet(slug));
  if (found !== null || placeAt(location.hash).slug !== slug) return;
  toast(t("side.no_persona"));
  location.replace("#/");
}

/** Always anew: what is signed in, and how an export stands, changes elsewhere. */
async function showAccount({ email }) {
  const account = await import("./account/account.js").catch(() => null);
  if (!account) return toast(t("common.not_loaded"));
  if ($("account").hidden) return undefined;
  $("scroll").scrollTop = 0;
  return account.show($("account"), { email, closed: accountClosed });
}

async function showControl() {
  const control = await import("./control/control.js").catch(() => null);
  if (!control) return toast(t("common.not_loaded"));
  return control.show($("control"), here);
}

async function showStudio(parts) {
  const studio = await import("./studio/studio.js").catch(() => null);
  if (!studio) return toast(t("common.not_loaded"));
  if ($("studio").hidden) return undefined;
  return studio.show($("studio"), here(), parts);
}

async function showSpeaker() {
  const health = await attempt(() => call("GET", "/ai/health"));
  const show = () => {
    const isTold = SPEAKERS.has(health?.speaker);
    $("speaker").hidden = !isTold;
    setText($("speaker").firstElementChild, isTold ? t(`chat.speaker.${health.speaker}`) : "");
  };
  show();
  onLanguageChange(show);
}

/** While somebody signs out: forgets what was not sent, whoever is first to hear that the session has ended. */
let forget = null;

/** Ends the session where it is kept; without an answer it is ended here alone, and says so. */
async function signOut(background) {
  if (background.hasUnsent() && !(await isSureToLoseMessages())) return;
  forget = () => background.forgetUnsent();
  try {
    await call("POST", "/auth/logout");
    leave();
  } catch (problem) {
    forget = null;
    if (!(problem instanceof Problem)) throw problem;
    toast(t("common.session.still_in", { reason: problem.message }));
  }
}

const isSureToLoseMessages = async () =>
  (await askFor({ title: t("chat.unsent.title"), text: t("chat.unsent.text"), yes: t("chat.unsent.yes"), danger: true })) !== null;

/** Ends the session in every tab. What was written and not sent waits for the same person, unless they signed out. */
function leave(notice) {
  whenSignedOut(null);
  forget?.();
  store(localStorage, SESSION, null);
  if (notice && !forget) store(sessionStorage, NOTICE, notice);
  // Whoever signs in next has no business with the conversation that was open.
  if (forget || !notice) history.replaceState(null, "", location.pathname);
  location.reload();
}

function accountClosed() {
  history.replaceState(null, "", location.pathname);
  leave(t("common.session.closed"));
}

function startDialog() {
  $("dialog-form").addEventListener("submit", (event) => (event.preventDefault(), $("dialog").close("yes")));
  $("dialog-no").onclick = () => $("dialog").close();
}

async function start() {
  startTheme();
  // Signed in or out in another tab: begin anew as whoever it is now.
  addEventListener("storage", ({ key, storageArea }) => {
    if (key !== SESSION || storageArea !== localStorage) return;
    if (forget) leave();
    else location.reload();
  });
  const kept = stored(localStorage, SESSION);
  // Whoever comes by a link of an e-mail may be signed in, as whoever it was.
  const { name, token, invitation } = placeAt(location.hash);
  const isIn = kept?.user && !token;
  await startLanguage(...(isIn ? ["chat", "side"] : ["account"]));
  if (isIn) await enter(kept);
  else await showGateFor({ name, token, invitation });
  whenIdle(startOffline);
}

async function showGateFor(link) {
  const { showGate } = await import("./gate/gate.js");
  await showGate({ ...link, entered: enterFromGate });
}

async function enterFromGate(session) {
  await loadCatalogue("chat", "side");
  translate(document);
  await enter(session);
}

start();
