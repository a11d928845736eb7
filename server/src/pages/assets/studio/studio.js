// The studio: where people make and edit personas. Loaded when it is first opened.

import { el, toast } from "../lib/dom.js";
import { loadCatalogue, onLanguageChange, t } from "../lib/i18n.js";
import { makerView } from "./maker.js";
import { shelfView } from "./shelf.js";
import { openWorkbench } from "./workbench.js";

let styles = null;
let unlisten = null;
/** What is shown: `{key, node, open?(part), hasUnsaved?()}`. */
let shown = null;
/** Counts what was asked for: whoever comes back late from the server is shown no more. */
let asked = 0;

/** Nothing of it is painted before its style sheet is there. */
function loadStyles() {
  styles ??= new Promise((resolve) => {
    const href = String(new URL("../styles/studio.css", import.meta.url));
    document.head.append(el("link", { rel: "stylesheet", href, onload: resolve, onerror: resolve }));
  });
  return styles;
}

const keyOf = ({ of, part }) => (of === "new" && !part ? "new" : of ? `of ${of}` : "shelf");

/** Shows a place of the studio: `{of, part}`. `personas` is the store of side/, `drafts` keeps what is not saved. */
export async function show(root, place, parts) {
  const mine = (asked += 1);
  await Promise.all([loadCatalogue("studio"), loadStyles()]);
  const key = keyOf(place);
  // Another part of the same persona leaves its head, and whoever has the focus in it, where they are.
  if (shown?.key !== key || !shown.open) {
    leave();
    const view = await viewOf(key, place, parts);
    if (mine !== asked || root.hidden) return view.leave?.();
    shown = { key, address: location.hash, ...view };
    root.replaceChildren(view.node);
    document.getElementById("scroll").scrollTop = 0;
    focusHeading(root);
  }
  await shown.open?.(place.part ?? "settings");
  unlisten?.();
  unlisten = onLanguageChange(async () => {
    shown?.leave?.();
    shown = null;
    if (!root.hidden) await show(root, place, parts);
  });
  return undefined;
}

async function viewOf(key, { of }, parts) {
  if (key === "shelf") return shelfView(parts);
  return key === "new" ? makerView(parts) : openWorkbench(of, parts);
}

/** Where the link that led here is gone, whoever reads by ear, or goes by the keyboard, begins with the heading. */
function focusHeading(root) {
  const heading = root.querySelector("h2");
  const { activeElement: at, body } = document;
  if (!heading || (at && at !== body && at.checkVisibility({ visibilityProperty: true }))) return;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}

/** Whoever leaves with changes that are not saved is told that they are kept, and can go back. */
function leave() {
  if (shown?.hasUnsaved?.()) {
    const { address } = shown;
    toast(t("studio.draft.left"), { action: { text: t("studio.draft.back"), run: () => (location.hash = address) } });
  }
  shown?.leave?.();
  shown = null;
}

/** To a place outside: of that the studio does not hear otherwise. */
addEventListener("hashchange", () => location.hash.startsWith("#/studio") || leave());
