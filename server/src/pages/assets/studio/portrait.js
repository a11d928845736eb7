// The picture of a persona: its own where it has one, else its first letter.

import { el, paintAvatar } from "../lib/dom.js";

export function portrait({ name, slug, avatar_url: url }, size = "") {
  const node = el("span", { className: `avatar ${size}`.trim(), ariaHidden: "true" });
  if (url) node.append(el("img", { src: url, alt: "", loading: "lazy" }));
  else paintAvatar(node, name, slug);
  return node;
}
