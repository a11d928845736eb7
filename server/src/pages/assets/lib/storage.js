// What a browser keeps for the page.

/** Who is signed in here, in every tab. The session itself is in a cookie that no script can read. */
export const SESSION = "troupe.session";
/** In one tab: what is written and not sent, what is sent and not known to have arrived, and a word for whoever signs in next. */
export const [DRAFTS, OUTBOX, NOTICE] = ["troupe.drafts", "troupe.outbox", "troupe.notice"];
/** Conversations with replies that were not looked at, by user. */
export const UNREAD = "troupe.unread";
/** The language that messages are translated to, by user. */
export const TRANSLATION = "troupe.translation";
/** For all who use this browser: what was chosen on the account page, and whether notifications were offered. */
export const [LANGUAGE, THEME, PUSH_OFFER] = ["troupe.language", "troupe.theme", "troupe.push_offer"];
/** For all who use this browser too: how replies are spoken. */
export const VOICE = "troupe.voice";

export function stored(storage, name) {
  try {
    return JSON.parse(storage.getItem(name));
  } catch {
    return null;
  }
}

export function store(storage, name, value) {
  try {
    value == null ? storage.removeItem(name) : storage.setItem(name, JSON.stringify(value));
  } catch {
    // Full or forbidden: it lasts as long as the page.
  }
}
