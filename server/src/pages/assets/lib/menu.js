// A menu beside a button, with the keys that menus have: arrows, Home, End, Escape.

import { icon } from "./icons.js";

let shown = null;

/**
 * Opens a menu of `items`: `{icon, text, run, danger, checked}`, `{href, download}` for a link, `"separator"`, or
 * `{heading}`. It closes when an item is chosen, on Escape, and on a click elsewhere; the focus returns to `anchor`.
 */
export function openMenu(anchor, items, label = "") {
  const isAgain = shown?.anchor === anchor;
  // A click on the button of an open menu has dismissed it already, and is no wish to open it again.
  shown?.menu.hidePopover();
  if (isAgain) return;
  const menu = document.createElement("div");
  menu.className = "menu";
  menu.role = "menu";
  menu.popover = "auto";
  if (label) menu.ariaLabel = label;
  menu.append(...items.map((item) => menuItem(item, menu)));
  // In the landmark of its button; and inside an open dialog, which would otherwise keep it from the keyboard.
  (anchor.closest("dialog, main, aside") ?? document.body).append(menu);
  shown = { menu, anchor };
  anchor.ariaExpanded = "true";
  menu.addEventListener("toggle", ({ newState }) => newState === "closed" && closed(menu, anchor));
  menu.addEventListener("keydown", moveFocus);
  menu.showPopover();
  place(menu, anchor);
  itemsOf(menu)[0]?.focus();
}

function closed(menu, anchor) {
  anchor.ariaExpanded = "false";
  const focusInside = menu.contains(document.activeElement) || document.activeElement === document.body;
  menu.remove();
  if (shown?.menu === menu) shown = null;
  if (focusInside && !document.querySelector("dialog[open]:not(:has(.menu))")) anchor.focus();
}

function menuItem(item, menu) {
  if (item === "separator") return document.createElement("hr");
  if (item.heading) return Object.assign(document.createElement("p"), { className: "heading", textContent: item.heading });
  const node = document.createElement(item.href ? "a" : "button");
  node.role = item.checked === undefined ? "menuitem" : "menuitemradio";
  if (item.checked !== undefined) node.ariaChecked = String(item.checked);
  node.tabIndex = -1;
  node.className = item.danger ? "danger" : "";
  const iconName = item.icon ?? (item.checked ? "check" : null);
  if (iconName) node.append(icon(iconName));
  node.append(Object.assign(document.createElement("span"), { className: "clip", textContent: item.text, dir: "auto" }));
  if (item.href) Object.assign(node, { href: item.href, download: item.download ?? "" });
  else node.type = "button";
  node.addEventListener("click", () => {
    // Chosen, not dismissed: what runs may open another menu beside the same button.
    shown = null;
    menu.hidePopover();
    item.run?.();
  });
  return node;
}

const itemsOf = (menu) => [...menu.querySelectorAll("[role^=menuitem]")];

function moveFocus(event) {
  const items = itemsOf(event.currentTarget);
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
  if (event.key === "Tab") event.currentTarget.hidePopover();
  if (to === undefined) return;
  event.preventDefault();
  items.at(to % items.length).focus();
}

/** Below the button at its end, or wherever it is wholly in sight. */
function place(menu, anchor) {
  const edge = 8;
  const at = anchor.getBoundingClientRect();
  const { width, height } = menu.getBoundingClientRect();
  const rightToLeft = getComputedStyle(anchor).direction === "rtl";
  const left = rightToLeft ? at.left : at.right - width;
  const below = at.bottom + 4 + height <= innerHeight - edge;
  const top = below ? at.bottom + 4 : Math.max(edge, at.top - 4 - height);
  menu.style.left = `${Math.max(edge, Math.min(left, innerWidth - width - edge))}px`;
  menu.style.top = `${top}px`;
}
