// What stands above the conversation, and in place of it before the first message.

import { $, paintAvatar, setText } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { SESSION, stored } from "../lib/storage.js";

/** Shows the parts of the page that belong to a place. */
export function showPlace(place, { persona, conversation }) {
  showTitle(place, persona, conversation);
  $("conversation-menu").hidden = place.name !== "chat" || !conversation;
  $("memories").hidden = !persona;
  $("temporary-mark").hidden = !conversation?.temporary;
  $("intro").hidden = place.name !== "new" || !persona;
  $("thread").hidden = place.name !== "chat";
  $("dock").hidden = ["home", "account", "control", "studio"].includes(place.name);
  if (persona) showPersona(persona);
}

function showTitle({ name }, persona, conversation) {
  const named = { home: t("side.new"), account: t("side.account"), control: t("side.control"), studio: t("side.studio") }[name];
  const title = named ?? conversation?.title ?? persona?.name ?? "";
  setText($("title"), title);
  setText($("persona"), persona && title !== persona.name ? persona.name : "");
  document.title = name === "home" || !title ? "Troupe" : `${title} · Troupe`;
}

function showPersona({ name, slug, avatar_url: url, description, nickname, greetings = [] }) {
  $("memories").ariaLabel = $("memories").title = t("chat.memories.title", { name });
  $("draft").placeholder = t("chat.composer.hint", { name });
  setText($("intro-name"), name);
  setText($("intro-about"), description ?? "");
  $("intro-greeting").hidden = greetings.length === 0;
  setText($("intro-greeting"), expandNames(greetings[0] ?? "", nickname ?? name));
  paintAvatar($("intro-avatar"), name, slug, url);
}

/** As the prompt has it: what cards call the persona and the user. */
function expandNames(text, persona) {
  const user = stored(localStorage, SESSION)?.user?.name ?? "";
  return text.replaceAll(/\{\{char\}\}/gi, () => persona).replaceAll(/\{\{user\}\}/gi, () => user);
}
