// Markdown in the page, also while it is being written: closed blocks are rendered once and kept, the open one at the
// end is rendered again as it grows, and all of it in small portions, so that no text holds the page up.

import { el, setText } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { isParsable } from "./bounds.js";
import { newCodeBlock } from "./code_block.js";
import { fragmentOf } from "./html.js";
import { newSplitter } from "./splitter.js";
import { mendTail } from "./tail.js";

/** Of the time that passes, rendering the open block again may take up a fifth. */
const TAIL_PAUSE = 4;
const MAX_TAIL_PAUSE_MS = 250;
const REST_LETTERS_A_LINE = 85;
const REST_LINE_REM = 1.65;

/** Markdown in `root`. `set` takes the text so far, `work` renders until a time and returns whether more is left. */
export function newMarkdown(root) {
  let splitter = newSplitter();
  let whole = false;
  /** Closed blocks with what they became: `{kind, source, nodes, holder?, code?}`. */
  const done = [];
  let tail = null;
  let tailText = null;
  let tailCost = 0;
  let tailAt = 0;
  const rest = el("div", { className: "rest", ariaHidden: "true" });

  const blocks = () => {
    const closed = splitter.blocks;
    const last = whole ? splitter.open() : null;
    return last ? [...closed, last] : closed;
  };

  function set(text, isWhole) {
    if (text === splitter.text() && isWhole === whole) return;
    if (!text.startsWith(splitter.text())) splitter = newSplitter();
    whole = isWhole;
    splitter.push(text);
    forgetFrom(firstChange());
  }

  /** The first block that is rendered and is another now: a reset may have taken text back. */
  function firstChange() {
    const now = blocks();
    const changed = done.findIndex(({ source }, at) => source !== now[at]?.source);
    return changed === -1 ? done.length : changed;
  }

  function forgetFrom(at) {
    if (at >= done.length) return;
    dropTail();
    // What was joined to a block goes with it.
    for (const { nodes } of done.splice(at)) nodes.forEach((node) => node.remove());
  }

  function dropTail() {
    tail?.nodes.forEach((node) => node.remove());
    tail = tailText = null;
  }

  function work(until) {
    const now = blocks();
    while (done.length < now.length) {
      if (performance.now() > until) return showRest(now);
      const block = now[done.length];
      if (tail?.kind === "code" && block.kind === "code") done.push(closeCode(block));
      else {
        dropTail();
        done.push(place(block, done.at(-1)));
      }
    }
    rest.remove();
    return whole ? (dropTail(), false) : workOnTail();
  }

  function closeCode(block) {
    const closed = tail;
    tail = tailText = null;
    closed.code.set(block);
    closed.code.close();
    return { ...closed, source: block.source };
  }

  function workOnTail() {
    const open = splitter.open();
    if (!open) return dropTail(), false;
    if (open.source === tailText) return false;
    const now = performance.now();
    if (now - tailAt < Math.min(MAX_TAIL_PAUSE_MS, tailCost * TAIL_PAUSE)) return true;
    showTail(open);
    tailText = open.source;
    tailAt = performance.now();
    tailCost = tailAt - now;
    return false;
  }

  function showTail(open) {
    if (tail && tail.kind === open.kind && open.kind === "code") return tail.code.set(open);
    if (tail && tail.kind === open.kind && open.kind === "plain") return setText(tail.nodes[0], open.source);
    dropTail();
    const isProse = open.kind !== "code" && open.kind !== "plain";
    tail = place(isProse ? { ...open, source: mendTail(open.source) } : open, done.at(-1), false);
    return undefined;
  }

  function place(block, before, closed = true) {
    const { kind, source, joins } = block;
    if (kind === "code") {
      const code = newCodeBlock();
      code.set(block);
      root.append(code.root);
      if (closed) code.close();
      return { kind, source, nodes: [code.root], code };
    }
    if (kind !== "plain" && isParsable(source)) return { kind, source, ...parsed(source, joins ? before?.holder : null) };
    return { kind: "plain", source, nodes: plain(source, joins && before?.kind === "plain") };
  }

  /** Puts a block into the page: into `holder`, where it goes on with a list, a table or a quote. */
  function parsed(source, holder) {
    const fragment = fragmentOf(source);
    finish(fragment);
    orderHeadings(fragment, root);
    const own = holderIn(fragment.firstElementChild);
    if (!holder || holder.localName !== own?.localName) return { nodes: appendAll(root, fragment), holder: own };
    const outer = fragment.firstElementChild;
    const nodes = appendAll(holder, own);
    outer.remove();
    return { nodes: [...nodes, ...appendAll(root, fragment)], holder };
  }

  function showRest(now) {
    const letters = now.slice(done.length).reduce((sum, { source }) => sum + source.length, 0);
    rest.style.height = `${Math.ceil(letters / REST_LETTERS_A_LINE) * REST_LINE_REM}rem`;
    root.append(rest);
    return true;
  }

  function plain(source, joined) {
    const text = source.replace(/\n+$/, "");
    const node = el("p", { className: `plain${joined ? " joined" : ""}`, textContent: text, dir: "auto" });
    root.append(node);
    return [node];
  }

  return { set, work };
}

/** What further items, rows or paragraphs of a cut block are put into. */
function holderIn(node) {
  if (node?.classList.contains("table")) return node.querySelector("tbody");
  return ["ol", "ul", "blockquote"].includes(node?.localName) ? node : null;
}

function appendAll(root, holder) {
  const nodes = [...holder.childNodes].filter((node) => node.nodeType === Node.ELEMENT_NODE || node.data.trim());
  root.append(...nodes);
  return nodes;
}

const HEADINGS = "h3, h4, h5, h6";
const FIRST_LEVEL = 3;

/** Whatever size a reply gives its headings, none is announced more than one level below the one before it. */
function orderHeadings(fragment, root) {
  let level = levelOf([...root.querySelectorAll(HEADINGS)].at(-1)) ?? FIRST_LEVEL - 1;
  for (const heading of fragment.querySelectorAll(HEADINGS)) {
    level = Math.min(levelOf(heading), level + 1);
    heading.ariaLevel = String(level);
  }
}

const levelOf = (heading) => heading && Number(heading.ariaLevel ?? heading.localName.slice(1));

/** Tables scroll sideways in a box of their own, and code within lists gets its head. */
function finish(fragment) {
  for (const table of fragment.querySelectorAll("table")) {
    const box = el("div", { className: "table scrolls", tabIndex: 0, role: "group", ariaLabel: t("chat.table") });
    table.replaceWith(box);
    box.append(table);
  }
  for (const pre of fragment.querySelectorAll("pre")) {
    const inner = pre.querySelector("code");
    const code = newCodeBlock();
    const language = /language-(\S+)/.exec(inner?.className ?? "")?.[1] ?? "";
    code.set({ language, code: (inner ?? pre).textContent.replace(/\n$/, "") });
    pre.replaceWith(code.root);
    code.close();
  }
  // Each block runs the way of its own first letter; what is within it follows, marks of lists included.
  for (const node of fragment.children) if (!node.classList.contains("code")) node.dir = "auto";
}
