// Addresses of the page: what stands behind the "#".

/** Where an address leads: home, if it makes no sense. */
export function placeAt(hash) {
  const [, kind, value = "", part = ""] = hash.split("/");
  // Ids go into paths of the API as they are: nothing else may pass for one.
  const isId = /^[\w-]+$/.test(value);
  if (kind === "c" && isId) return { name: "chat", id: value, ...(/^[\w-]+$/.test(part) && { request: part }) };
  if (kind === "reset" && isId) return { name: "reset", token: value };
  if (kind === "verify" && isId) return { name: "verify", token: value };
  if (kind === "join" && isId) return { name: "join", invitation: value };
  if (kind === "account") return { name: "account" };
  if (kind === "control") return { name: "control", section: isId ? value : "queue" };
  // The persona "new" may be somebody's: with a part it is that one.
  if (kind === "studio") return { name: "studio", ...(isId && { of: value }), ...(isId && /^[a-z]+$/.test(part) && { part }) };
  try {
    if (kind === "new" && value) return { name: "new", slug: decodeURIComponent(value) };
  } catch {
    // A stray percent sign.
  }
  return { name: "home" };
}
