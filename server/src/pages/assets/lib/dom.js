// The page's elements: finding, making and changing them, and what it says to whoever looks at it.

import { Problem } from "./api.js";
import { toast } from "./toast.js";

export { toast };

export const $ = (id) => document.getElementById(id);

export function el(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** A title that is made when a pointer comes: dates are slow to format, and few titles are read. */
export const titleOnPointer = (node, make) => (node.onpointerenter = () => (node.title = make()));

export function setText(node, text) {
  const shown = node.firstChild ?? node.appendChild(document.createTextNode(""));
  // Only what is new: so a selection in the text survives while more of it comes.
  if (shown.data !== text) text.startsWith(shown.data) ? shown.appendData(text.slice(shown.data.length)) : (shown.data = text);
}

/** Makes the children of a node those of the rows, keeping the nodes of rows that stay. */
export function reconcile(parent, rows, make, update) {
  const nodes = new Map();
  let at = parent.firstChild;
  for (const row of rows) {
    const node = parent.nodes?.get(row.key) ?? make(row);
    update(node, row);
    nodes.set(row.key, node);
    if (node === at) at = at.nextSibling;
    else parent.insertBefore(node, at);
  }
  while (at) [at] = [at.nextSibling, at.remove()];
  parent.nodes = nodes;
}

/** A picture over the first letter, which is seen until it is there, and where it cannot be shown. */
export function paintAvatar(node, name, seed, url) {
  setText(node, (Array.from(name ?? "")[0] ?? "").toUpperCase());
  const hue = Array.from(seed ?? "").reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 340);
  node.style.setProperty("--hue", hue);
  const shown = node.querySelector("img");
  if ((shown?.getAttribute("src") ?? null) === (url ?? null)) return;
  shown?.remove();
  if (!url) return;
  const picture = el("img", { alt: "", loading: "lazy", decoding: "async", draggable: false });
  picture.onerror = () => (picture.hidden = true);
  picture.src = url;
  node.append(picture);
}

export function speak(text) {
  $("spoken").textContent = text;
}

/** Asks in a dialog: the text given, "" where none was asked for, or null for no. */
export function askFor({ title, text = "", value, yes, danger = false, secret = false, max = 200 }) {
  const [dialog, input] = [$("dialog"), $("dialog-input")];
  $("dialog-title").textContent = title;
  $("dialog-text").textContent = text;
  $("dialog-yes").textContent = yes;
  $("dialog-yes").classList.toggle("danger", danger);
  input.hidden = value === undefined;
  input.type = secret ? "password" : "text";
  input.maxLength = max;
  input.value = value ?? "";
  dialog.returnValue = "";
  dialog.showModal();
  if (value !== undefined) input.select();
  return new Promise((resolve) => {
    dialog.onclose = () => resolve(dialog.returnValue === "yes" ? input.value : null);
  });
}

/** Does something whose failure is merely told. */
export async function attempt(action) {
  try {
    return await action();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.status !== 401) toast(problem.message);
    return undefined;
  }
}
