// The start of the page: who is signed in, where the address leads, and the connection that keeps it up to date.

import { startChat } from "./chat/chat.js";
import { showGate } from "./gate/gate.js";
import { Problem, call, whenSignedOut } from "./lib/api.js";
import { keepConnected } from "./lib/connection.js";
import { connectionStatus } from "./lib/connection_status.js";
import { $, askFor, attempt, setText, speak, toast } from "./lib/dom.js";
import { loadCatalogue, onLanguageChange, startLanguage, t, translate } from "./lib/i18n.js";
import { NOTICE, SESSION, store, stored } from "./lib/storage.js";
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

/** The page of somebody who has signed in. */
function enter({ user }) {
  const conversations = newConversations(call);
  const personas = newPersonas(call);
  const onReply = startPushOffer($("push-offer"));
  const chat = startChat({ user, conversations, personas, go: (hash) => location.replace(hash), onReply });
  const side = startSide({ user, conversations, signOut: () => signOut(chat) });
  const gallery = startGallery({ root: $("home"), user, personas });
  $("gate").hidden = true;
  $("app").hidden = false;
  whenSignedOut(() => leave(t("common.session.ended")));
  startDialog();
  showSpeaker();
  $("conversation-menu").onclick = ({ currentTarget }) => side.actions.openConversationMenu(chat.place().id, currentTarget);
  $("skip").onclick = (event) => {
    event.preventDefault();
    $("main").focus();
  };
  const goWhereTheAddressSays = () => go(placeAt(location.hash), { user, chat, side, gallery, personas, conversations });
  addEventListener("hashchange", goWhereTheAddressSays);
  goWhereTheAddressSays();
  connect({ chat, side, conversations });
  refreshPush().catch(() => {});
}

function connect({ chat, side, conversations }) {
  const { store: known } = chat;
  const readAll = () => Promise.all([side.read(), chat.read()]);
  const retry = keepConnected({
    newest: () => known.newest()?.id,
    openRequests: () => known.open(chat.place().id),
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
    onStatus: withFlush(connectionStatus({ label: $("live"), retry: $("reconnect"), speak }), chat),
  });
  $("reconnect").onclick = retry;
}

/** What could not be sent is tried again as soon as the server answers. */
const withFlush = (onStatus, chat) => (status) => {
  onStatus(status);
  if (status.name === "live") chat.flush();
};

/** Goes to a place. */
async function go(place, { user, chat, side, gallery, personas, conversations }) {
  // A link of an e-mail is for the gate.
  if (place.token) return location.reload();
  // An invitation is for people without an account.
  const next = place.name === "join" ? { name: "home" } : place;
  $("home").hidden = next.name !== "home";
  $("account").hidden = next.name !== "account";
  side.show(next);
  chat.show(next);
  if (next.name === "home") return gallery.show();
  if (next.name === "account") return showAccount(user);
  if (next.name === "new") return meet(next.slug, personas);
  return attempt(() => conversations.find(next.id));
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

/** Ends the session where it is kept; without an answer it is ended here alone, and says so. */
async function signOut(chat) {
  if (chat.hasUnsent() && !(await isSureToLoseMessages())) return;
  try {
    await call("POST", "/auth/logout");
    chat.forgetUnsent();
    leave();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    toast(t("common.session.still_in", { reason: problem.message }));
  }
}

const isSureToLoseMessages = async () =>
  (await askFor({ title: t("chat.unsent.title"), text: t("chat.unsent.text"), yes: t("chat.unsent.yes"), danger: true })) !== null;

/** Ends the session in every tab. What was written and not sent waits for the same person, unless they signed out. */
function leave(notice) {
  whenSignedOut(null);
  store(localStorage, SESSION, null);
  if (notice) store(sessionStorage, NOTICE, notice);
  // Whoever signs in next has no business with the conversation that was open.
  else history.replaceState(null, "", location.pathname);
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
  addEventListener("storage", ({ key, storageArea }) => key === SESSION && storageArea === localStorage && location.reload());
  const kept = stored(localStorage, SESSION);
  // Whoever comes by a link of an e-mail may be signed in, as whoever it was.
  const { name, token, invitation } = placeAt(location.hash);
  const isIn = kept?.user && !token;
  await startLanguage(...(isIn ? ["chat", "side"] : ["account"]));
  if (isIn) enter(kept);
  else showGate({ name, token, invitation, entered: enterFromGate });
  startOffline();
}

async function enterFromGate(session) {
  await loadCatalogue("chat", "side");
  translate(document);
  enter(session);
}

start();
