// What goes on while no conversation is open: replies are heard of, and messages that wait are sent. The conversation
// itself (chat.js) is loaded when the first one is opened, and is told of all changes from then on.

import { call } from "../lib/api.js";
import { t } from "../lib/i18n.js";
import { newDrafts } from "./drafts.js";
import { newOutbox } from "./outbox.js";
import { newStore } from "./store.js";

/** `conversations` is the store of side/; `onReply()` hears that a reply has been finished. */
export function startBackground({ user, conversations, onReply }) {
  /** chat.js, once it is there: `{changed, left}`. */
  let view = null;
  const drafts = newDrafts({ user: user.id, storage: localStorage });
  const store = newStore({ call, onChange: changed, onMessage: (message) => outbox.claim(message), onGone: gone });
  const outbox = newOutbox({
    user: user.id, storage: localStorage, send, onChange: () => view?.changed("outbox"), uncertain: t("chat.outbox.uncertain"),
    onSent: (answer, { replaces = null }) => store.takeSent(answer, replaces),
  });

  function changed(what, id, reply) {
    if (what === "end") onReply();
    view?.changed(what, id, reply);
  }

  function gone(id) {
    outbox.items().filter((item) => item.conversation_id === id).forEach(({ key }) => outbox.remove(key));
    conversations.remove(id);
    view?.left(id);
  }

  function send({ conversation_id: id, content, replaces, key }) {
    return call("POST", `/conversations/${id}/messages`, { body: { content, ...(replaces && { replaces }) }, key });
  }

  addEventListener("storage", ({ key }) => key === outbox.storageName && outbox.reload());
  addEventListener("online", outbox.flush);
  outbox.flush();

  return {
    store, outbox, drafts,
    attach: (shown) => (view = shown),
    hasUnsent: () => outbox.items().length > 0,
    /** Nothing of this user stays in the browser. */
    forgetUnsent() {
      drafts.clear();
      outbox.clear();
    },
  };
}
