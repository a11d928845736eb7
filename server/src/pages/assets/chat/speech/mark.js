// The mark on the sentence that is spoken. A custom highlight changes no node, so neither what is being written nor a
// selection is disturbed; browsers without it show none.

import { findSentence } from "./find.js";

const NAME = "spoken";

/** Text of the page's own, which no reply contains: the heads of code. */
const isOwn = (node) => node.parentElement.closest(".code-head, .rest");

function textNodes(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const nodes = [];
  while (walker.nextNode()) if (!isOwn(walker.currentNode)) nodes.push(walker.currentNode);
  return nodes;
}

/** Marks sentences within `root`, in which other nodes may come and go. */
export function newMark({ root }) {
  const isPossible = Boolean(globalThis.CSS?.highlights && globalThis.Highlight);
  let range = null;
  let find = null;
  const observer = new MutationObserver(() => {
    // A node that is rendered anew takes the mark with it.
    if (!range || range.collapsed || !range.startContainer.isConnected) show();
  });

  function show() {
    const found = find?.();
    const nodes = found ? textNodes(found.text) : [];
    const place = found && findSentence(nodes.map(({ data }) => data), found.sentences, found.number);
    range = null;
    if (!place) return CSS.highlights.delete(NAME);
    range = new Range();
    range.setStart(nodes[place.start.index], place.start.offset);
    range.setEnd(nodes[place.end.index], place.end.offset);
    return CSS.highlights.set(NAME, new Highlight(range));
  }

  return {
    isPossible,
    /** `next()` gives `{text, sentences, number}`: the element, and what of it is marked; null for nothing. */
    set(next) {
      if (!isPossible) return;
      find = next;
      observer.disconnect();
      if (next) observer.observe(root, { childList: true, characterData: true, subtree: true });
      show();
    },
  };
}
