// Words between the tabs of one browser: what was read, changed or heard in one is so in all.

const channel = globalThis.BroadcastChannel && globalThis.document ? new BroadcastChannel("troupe") : null;
const listeners = new Map();

channel?.addEventListener("message", ({ data }) => listeners.get(data?.type)?.forEach((listener) => listener(data.detail)));

/** Sends to all other tabs; `detail` is cloned. */
export const tellTabs = (type, detail) => channel?.postMessage({ type, detail });

/** Hears what another tab sends. Returns the way to stop listening. */
export function onTab(type, listener) {
  const known = listeners.get(type) ?? listeners.set(type, new Set()).get(type);
  known.add(listener);
  return () => known.delete(listener);
}
