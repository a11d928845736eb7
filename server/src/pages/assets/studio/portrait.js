// What stands for a persona: its first letter, in a colour of its own.

import { el, paintAvatar } from "../lib/dom.js";

export function portrait({ name, slug }, size = "") {
  const node = el("span", { className: `avatar ${size}`.trim(), ariaHidden: "true" });
  paintAvatar(node, name, slug);
  return node;
}
