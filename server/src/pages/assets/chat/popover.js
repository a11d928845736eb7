// A small window beside a button.

import { el } from "../lib/dom.js";

const EDGE_PX = 8;

/** Opens it with `content`; it closes on Escape and on a click elsewhere. Returns what closes it. */
export function openPopover(anchor, content, label) {
  const node = el("div", { className: "popover", role: "dialog", popover: "auto", ariaLabel: label }, content);
  // Beside its button, so that the keyboard goes from one to the other, whatever the row around it becomes.
  document.body.append(node);
  node.addEventListener("toggle", ({ newState }) => {
    if (newState !== "closed") return;
    const hadFocus = node.contains(document.activeElement) || document.activeElement === document.body;
    node.remove();
    if (hadFocus) anchor.focus({ preventScroll: true });
  });
  node.showPopover();
  place(node, anchor);
  node.querySelector("textarea, input, button")?.focus({ preventScroll: true });
  return () => node.hidePopover();
}

function place(node, anchor) {
  const at = anchor.getBoundingClientRect();
  const { width, height } = node.getBoundingClientRect();
  const isRightToLeft = getComputedStyle(anchor).direction === "rtl";
  const left = isRightToLeft ? at.right - width : at.left;
  const below = at.bottom + 6;
  const top = below + height <= innerHeight - EDGE_PX ? below : at.top - 6 - height;
  node.style.left = `${Math.max(EDGE_PX, Math.min(left, innerWidth - width - EDGE_PX))}px`;
  node.style.top = `${Math.max(EDGE_PX, Math.min(top, innerHeight - height - EDGE_PX))}px`;
}
