// The window of rows: of a conversation's rows, those in sight and some beside them are in the page, between two spacers
// for the rest. What is being read stays where it is, whatever comes above, grows, or turns out higher than estimated.

import { el } from "../lib/dom.js";
import { newHeights } from "./heights.js";

/** Rows are in the page this far beyond both edges, in heights of the window. */
const MARGIN = 1;
/** More rows are asked for when the end of those known is nearer than this, in heights of the window. */
const NEAR = 2;
const STICKS_PX = 40;
const MAX_PASSES = 4;
/** For rendering text, in each frame. */
const WORK_MS = 8;
/** The same in each task while rows are out of sight: what a slow phone takes four times as long for is still short. */
const SETTLING_WORK_MS = 3;
/** So long at most, rows that come into an empty window stay out of sight until their text is rendered. */
const SETTLES_MS = 1500;

/**
 * Shows rows in `root`, which `scroll` scrolls. `make(row)` gives `{node, update(row), work?(until)}`; `estimate(row)` a
 * height. `onNear("older" | "newer")` hears that an end comes near, `onStick` that the window follows the end or has left
 * it; it follows only while `hasEnd()`, because the last row that is known may not be the last one.
 */
export function newThreadView({ scroll, root, make, estimate, onNear, onStick, hasEnd }) {
  const heights = newHeights(estimate);
  const above = el("div", { className: "spacer" });
  const below = el("div", { className: "spacer" });
  const shown = new Map();
  const observer = new ResizeObserver(resized);
  let rows = [];
  /** Rows to be shown from the next frame on: until then, what is known of heights is what the page shows. */
  let next = null;
  let isStuck = true;
  /** The row that stays where it is, and its distance from the upper edge. */
  let anchor = null;
  let lastTop = 0;
  let width = 0;
  let frame = 0;
  let marked = null;
  /** Until when rows are out of sight; null while they are shown. */
  let settlesUntil = null;
  root.append(above, below);

  const base = () => root.offsetTop;
  // For rows out of sight no frame needs to be drawn.
  const schedule = () => (frame ||= settlesUntil === null ? requestAnimationFrame(render) : setTimeout(render));

  function stick(wanted) {
    const sticks = wanted && hasEnd();
    if (sticks === isStuck) return;
    isStuck = sticks;
    onStick(sticks);
  }

  function wantedTop() {
    if (isStuck) return heights.total() - scroll.clientHeight;
    const index = anchor && heights.indexOf(anchor.key);
    return index === undefined || index === null ? scroll.scrollTop - base() : heights.topOf(index) - anchor.offset;
  }

  function rangeNow() {
    const top = wantedTop();
    const { clientHeight } = scroll;
    return heights.range(top - clientHeight * MARGIN, top + clientHeight * (1 + MARGIN));
  }

  function takeRows() {
    if (!next) return;
    rows = next;
    heights.setRows(next);
    next = null;
  }

  function render() {
    frame = 0;
    if (root.hidden) return;
    takeRows();
    const until = performance.now() + (settlesUntil === null ? WORK_MS : SETTLING_WORK_MS);
    let range = rangeNow();
    for (let pass = 0; pass < MAX_PASSES; pass += 1) {
      showRange(range);
      const isMore = work(until);
      // Each measurement makes the browser lay everything out.
      if (isMore && isSettling()) return;
      measure();
      const measured = rangeNow();
      if (measured[0] === range[0] && measured[1] === range[1]) break;
      range = measured;
    }
    // Rows that are out of sight have no height in what is scrolled: there would be no end to scroll to.
    if (rows.length > 0) endSettling();
    restore();
    askForMore();
  }

  // Rows that find their heights one after the other would jump before the reader's eyes, and each time the browser would
  // lay them out.

  function beginSettling() {
    settlesUntil = Infinity;
    root.classList.add("is-settling");
  }

  /** Whether the rows are still out of sight: from the first of them on, for a while at most. */
  function isSettling() {
    if (settlesUntil === null) return false;
    if (settlesUntil === Infinity) settlesUntil = performance.now() + SETTLES_MS;
    return performance.now() < settlesUntil;
  }

  function endSettling() {
    if (settlesUntil === null) return;
    settlesUntil = null;
    root.classList.remove("is-settling");
  }

  function showRange([first, end]) {
    const wanted = new Set(rows.slice(first, end).map(({ key }) => key));
    for (const [key, { node }] of shown) if (!wanted.has(key)) forget(key, node);
    let at = above.nextSibling;
    for (const row of rows.slice(first, end)) {
      const view = shown.get(row.key) ?? begin(row);
      if (view.row !== row || view.isStale) {
        view.row = row;
        view.isStale = false;
        view.update(row);
      }
      if (view.node === at) at = at.nextSibling;
      else root.insertBefore(view.node, at);
    }
    above.style.height = `${heights.topOf(first)}px`;
    below.style.height = `${heights.total() - heights.topOf(end)}px`;
  }

  function begin(row) {
    const view = make(row);
    shown.set(row.key, view);
    view.node.dataset.key = row.key;
    observer.observe(view.node);
    return view;
  }

  function forget(key, node) {
    observer.unobserve(node);
    node.remove();
    shown.delete(key);
  }

  /** Returns whether something is left for the next frame. */
  function work(until) {
    let isMore = false;
    // What is in sight first.
    const [first, last] = [scroll.scrollTop - base(), scroll.scrollTop - base() + scroll.clientHeight];
    const inSight = ({ row }) => {
      const top = heights.topOf(heights.indexOf(row.key));
      return top < last && top > first - scroll.clientHeight;
    };
    const views = [...shown.values()].filter(({ work: hasWork }) => hasWork);
    for (const view of [...views.filter(inSight), ...views.filter((view) => !inSight(view))]) isMore = view.work(until) || isMore;
    if (isMore) schedule();
    return isMore;
  }

  function measure() {
    let isNews = false;
    for (const [key, { node }] of shown) isNews = heights.measure(key, node.getBoundingClientRect().height) || isNews;
    return isNews;
  }

  /** Scrolls to where the window is to be, after heights above it have changed. */
  function restore() {
    const top = isStuck ? scroll.scrollHeight - scroll.clientHeight : base() + wantedTop();
    if (Math.abs(scroll.scrollTop - top) >= 1) scroll.scrollTop = top;
    lastTop = scroll.scrollTop;
    if (!isStuck && !anchor) hold();
  }

  function hold() {
    const y = scroll.scrollTop - base();
    let index = heights.indexAt(y);
    // A day moves up as earlier messages of it are read.
    while (rows[index]?.kind === "day") index += 1;
    const row = rows[index];
    anchor = row ? { key: row.key, offset: heights.topOf(heights.indexOf(row.key)) - y } : null;
  }

  function resized() {
    if (root.hidden || settlesUntil !== null || !measure()) return;
    restore();
    // Rows that became lower may leave a gap.
    schedule();
  }

  function askForMore() {
    const { clientHeight, scrollTop } = scroll;
    const top = scrollTop - base();
    if (top < clientHeight * NEAR) onNear("older");
    if (heights.total() - top - clientHeight < clientHeight * NEAR) onNear("newer");
  }

  scroll.addEventListener("scroll", () => {
    if (root.hidden) return;
    const top = scroll.scrollTop;
    const distance = scroll.scrollHeight - scroll.clientHeight - top;
    // Upwards even a little means to stay there.
    const isUp = top < lastTop - 1;
    stick(distance < (isUp ? 2 : STICKS_PX));
    lastTop = top;
    hold();
    schedule();
  }, { passive: true });

  new ResizeObserver(() => {
    if (root.hidden) return;
    if (root.clientWidth !== width) {
      width = root.clientWidth;
      heights.forgetAll();
      measure();
    }
    restore();
    schedule();
  }).observe(scroll);

  return {
    schedule,
    /** Shows these rows from now on. Rows that are the very same objects are not updated again. */
    setRows(wanted) {
      if (isStuck && !hasEnd()) {
        hold();
        stick(false);
      }
      next = wanted;
      schedule();
    },
    /** A row has changed without becoming another. */
    touch(key) {
      const view = shown.get(key);
      if (view) view.isStale = true;
      schedule();
    },
    isStuck: () => isStuck,
    toEnd() {
      anchor = null;
      stick(true);
      schedule();
    },
    /** Brings a row near the upper edge, and marks it for a moment. Returns whether it is there. */
    toRow(key) {
      takeRows();
      const index = heights.indexOf(key);
      if (index === undefined) return false;
      anchor = { key, offset: scroll.clientHeight / 5 };
      stick(false);
      render();
      marked?.classList.remove("is-found");
      marked = shown.get(key)?.node ?? null;
      marked?.classList.add("is-found");
      return true;
    },
    node: (key) => shown.get(key)?.node ?? null,
    /** Another conversation, or another language: everything anew, at the end or at the beginning. */
    reset({ atEnd = true } = {}) {
      for (const [key, { node }] of shown) forget(key, node);
      heights.forgetAll();
      anchor = null;
      isStuck = atEnd;
      beginSettling();
      schedule();
    },
  };
}
