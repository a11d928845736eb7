// What stands for a persona: its picture, or its first letter in a colour of its own.

import { el, paintAvatar } from "../lib/dom.js";

export function portrait({ name, slug, avatar_url: url }, size = "") {
  const node = el("span", { className: `avatar ${size}`.trim(), ariaHidden: "true" });
  paintAvatar(node, name, slug, url);
  return node;
}
