// The conversations that are known here, and what is new in them. Nothing in this file touches the page.
//
// The server's list is by the last message, in pages; events move a conversation up between two readings of it. Views
// (all, archived, a folder, pinned) are read apart and kept in one map, so that a change shows in each of them.

const PAGE = 30;
const TERMINAL = new Set(["reply.completed", "request.failed", "request.cancelled"]);

const QUERIES = {
  all: () => "",
  pinned: () => "&pinned=true",
  archived: () => "&archived=true",
  folder: (name) => `&folder=${encodeURIComponent(name)}`,
};

export const activityOf = ({ last_message_at, created_at }) => last_message_at ?? created_at;

/** Whether a conversation belongs in a view. Temporary ones are in none. */
export function belongs({ archived_at, pinned_at, folder, temporary }, { name, folder: wanted }) {
  if (temporary) return false;
  if (name === "archived") return Boolean(archived_at);
  if (archived_at) return false;
  if (name === "pinned") return Boolean(pinned_at);
  return name === "folder" ? folder === wanted : true;
}

const byActivity = (a, b) => Date.parse(activityOf(b)) - Date.parse(activityOf(a)) || (a.id < b.id ? 1 : -1);

/** `call` is the API's; `onChange` hears after every change. */
export function newConversations(call) {
  const known = new Map();
  const unread = new Set();
  /** By request: the conversation that a reply is being written in. */
  const busy = new Map();
  const lookedUp = new Map();
  /** By view: the cursor of its next page (null: none), undefined before the first reading. */
  const next = new Map();
  const listeners = new Set();
  let folders = [];
  let open = null;

  /** The conversations of `busy`, made again after a change of it. */
  let busyIds = null;

  function changed() {
    busyIds = null;
    listeners.forEach((listener) => listener());
  }

  const keyOf = ({ name, folder }) => (folder === undefined ? name : `${name} ${folder}`);

  function put(conversation) {
    known.set(conversation.id, { ...known.get(conversation.id), ...conversation });
    changed();
  }

  /** Takes over how personas are called and look by now; `get` finds one by its slug. */
  function followPersonas(get) {
    const outdated = [...known.values()].filter(({ persona }) => {
      const now = get(persona.slug);
      return now && (now.name !== persona.name || now.avatar_url !== persona.avatar_url);
    });
    for (const conversation of outdated) {
      const { slug, name, avatar_url } = get(conversation.persona.slug);
      known.set(conversation.id, { ...conversation, persona: { slug, name, avatar_url } });
    }
    if (outdated.length) changed();
  }

  function remove(id) {
    known.delete(id);
    unread.delete(id);
    lookedUp.set(id, null);
    changed();
  }

  /** Reads a view's first page, or its next one. */
  async function read(view, more = false) {
    const key = keyOf(view);
    const after = more ? next.get(key) : null;
    if (more && !after) return;
    const query = `limit=${PAGE}${QUERIES[view.name](view.folder)}${after ? `&after=${encodeURIComponent(after)}` : ""}`;
    const page = await call("GET", `/conversations?${query}`);
    if (!more) checkMissing(view, page);
    for (const conversation of page.items) known.set(conversation.id, conversation);
    if (more || !next.has(key) || !page.next) next.set(key, page.next ?? null);
    changed();
  }

  /** What stands between the ends of a first page and is not in it was deleted or moved elsewhere: one read tells which. */
  function checkMissing(view, { items, next: cursor }) {
    const read = new Set(items.map(({ id }) => id));
    const oldest = cursor ? Date.parse(activityOf(items.at(-1))) : -Infinity;
    for (const conversation of known.values()) {
      const expected = belongs(conversation, view) && Date.parse(activityOf(conversation)) > oldest;
      if (expected && !read.has(conversation.id)) readAgain(conversation.id);
    }
  }

  async function readAgain(id) {
    try {
      put(await call("GET", `/conversations/${id}`));
    } catch (problem) {
      if (problem.status === 404) remove(id);
    }
  }

  async function readFolders() {
    ({ items: folders } = await call("GET", "/conversations/folders"));
    changed();
  }

  /** The conversation with this id, read where it is in no list; null where there is none. */
  async function find(id) {
    if (known.has(id)) return known.get(id);
    if (lookedUp.has(id)) return lookedUp.get(id);
    const reading = call("GET", `/conversations/${id}`).then(
      (found) => (put(found), found),
      (problem) => {
        if (problem.status === 404) unread.delete(id);
        else lookedUp.delete(id);
        return null;
      },
    );
    lookedUp.set(id, reading);
    return reading;
  }

  /** Takes in a frame of the connection, of whatever type. */
  function hear(frame) {
    const { type } = frame;
    if (type === "hello") greet(frame);
    else if (type === "conversation.updated") hearUpdate(frame);
    else if (type === "conversation.deleted") remove(frame.conversation_id);
    else hearReply(frame);
  }

  function hearReply(frame) {
    const { conversation_id: id, request_id: request, message } = frame;
    if (!id || !request) return;
    // Most frames are pieces of text, of which nothing is seen here.
    if (busy.has(request) && !TERMINAL.has(frame.type) && !message) return;
    if (TERMINAL.has(frame.type)) hearEnd(id, request, frame.type);
    else busy.set(request, id);
    if (message) touch(id, message.created_at);
    if (!known.has(id)) find(id);
    changed();
  }

  function greet({ active = [], completed = [] }) {
    busy.clear();
    for (const { request_id, conversation_id } of active) busy.set(request_id, conversation_id);
    for (const { role, conversation_id } of completed) {
      if (role === "assistant" && conversation_id !== open) unread.add(conversation_id);
    }
    changed();
  }

  function hearUpdate({ conversation }) {
    const before = known.get(conversation.id);
    put(conversation);
    if ((before?.folder ?? null) !== (conversation.folder ?? null)) readFolders().catch(() => {});
  }

  function hearEnd(id, request, type) {
    busy.delete(request);
    if (id !== open && type !== "request.cancelled") unread.add(id);
  }

  function touch(id, at) {
    const conversation = known.get(id);
    if (conversation && at && Date.parse(at) > Date.parse(activityOf(conversation))) {
      known.set(id, { ...conversation, last_message_at: at });
    }
  }

  return {
    get: (id) => known.get(id),
    has: (id) => known.has(id),
    put, remove, read, readFolders, find, hear, followPersonas,
    folders: () => folders,
    /** Whether a view has more pages; undefined before its first is read. */
    hasMore: (view) => next.has(keyOf(view)) ? next.get(keyOf(view)) !== null : undefined,
    list: (view) => [...known.values()].filter((conversation) => belongs(conversation, view)).sort(byActivity),
    /** A polled request, where no frame tells of its end. */
    hearRequest({ id, conversation_id, status }) {
      if (status === "queued" || status === "in_progress") busy.set(id, conversation_id);
      else if (busy.has(id)) hearEnd(conversation_id, id, status === "cancelled" ? "request.cancelled" : "reply.completed");
      changed();
    },
    /** The conversation that is open in this tab is read. */
    show(id) {
      open = id ?? null;
      unread.delete(open);
      changed();
    },
    markRead(id) {
      if (unread.delete(id)) changed();
    },
    markUnread(ids) {
      ids.filter((id) => id !== open).forEach((id) => (unread.add(id), find(id)));
      changed();
    },
    isUnread: (id) => unread.has(id),
    unread: () => [...unread],
    isBusy: (id) => (busyIds ??= new Set(busy.values())).has(id),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
