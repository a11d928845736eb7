// The personas that are known here. Nothing in this file touches the page.

const PAGE = 100;
/** A search looks through so many pages at most. */
const MAX_PAGES = 20;

/** `call` is the API's; `onChange` hears after every change. */
export function newPersonas(call) {
  /** In the order of the server's list. */
  const listed = new Map();
  /** By slug, those that are in no list: shared by their address. Null: there is none. */
  const others = new Map();
  const listeners = new Set();
  let next;
  let reading = null;

  const changed = () => listeners.forEach((listener) => listener());

  function readPage() {
    reading ??= (async () => {
      try {
        const page = await call("GET", `/personas?limit=${PAGE}${next ? `&after=${encodeURIComponent(next)}` : ""}`);
        for (const persona of page.items) listed.set(persona.slug, persona);
        next = page.next ?? null;
        changed();
      } finally {
        reading = null;
      }
    })();
    return reading;
  }

  return {
    list: () => [...listed.values()],
    get: (slug) => listed.get(slug) ?? others.get(slug) ?? undefined,
    /** Whether the server has more; undefined before the first page. */
    hasMore: () => (next === undefined ? undefined : next !== null),
    readMore: () => (next === null ? Promise.resolve() : readPage()),
    async readAll() {
      for (let pages = 0; next !== null && pages < MAX_PAGES; pages += 1) await readPage();
    },
    /** Reads a persona that is in no list; null where there is none, or it is not shared with the user. */
    async meet(slug) {
      const known = listed.get(slug) ?? others.get(slug);
      if (known !== undefined) return known;
      try {
        others.set(slug, await call("GET", `/personas/${encodeURIComponent(slug)}`));
      } catch (problem) {
        if (problem.status !== 404) throw problem;
        others.set(slug, null);
      }
      changed();
      return others.get(slug);
    },
    /** Takes what was made or changed here; what is new comes first, as in the server's list. */
    put(persona) {
      if (!listed.has(persona.slug)) {
        const rest = [...listed];
        listed.clear();
        for (const [slug, each] of [[persona.slug, persona], ...rest]) listed.set(slug, each);
      }
      listed.set(persona.slug, persona);
      others.delete(persona.slug);
      changed();
    },
    remove(slug) {
      listed.delete(slug);
      others.set(slug, null);
      changed();
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

const folded = (text) => (text ?? "").normalize("NFKD").replace(/\p{M}/gu, "").toLocaleLowerCase();

/** Those whose name, description or tags have every word of the query, and every tag that is chosen. */
export function matching(personas, query, tags = new Set()) {
  const words = folded(query).split(/\s+/).filter(Boolean);
  return personas.filter((persona) => {
    const own = tagsOf(persona);
    const text = folded([persona.name, persona.slug, persona.description, ...own].join(" "));
    return words.every((word) => text.includes(word)) && [...tags].every((tag) => own.includes(tag));
  });
}

/** What a persona can be filtered by: its category where it has one, and its languages. */
export const tagsOf = ({ category, languages = [] }) => [...(category ? [category] : []), ...languages];

/** All tags, the most frequent first. */
export function commonTags(personas, most = 12) {
  const counts = new Map();
  for (const tag of personas.flatMap(tagsOf)) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).slice(0, most).map(([tag]) => tag);
}
