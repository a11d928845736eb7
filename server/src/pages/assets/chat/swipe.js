// Swiping sideways on a message leads to its other versions.

import { isRightToLeft } from "../lib/i18n.js";

const FAR_PX = 60;
const MAX_SHOWN_PX = 90;
const SCROLLS_ITSELF = "pre, .table, input, textarea, button";

/** `step(by)` goes to the version before (-1) or after (1). */
export function onSwipe(node, step) {
  let from = null;
  let way = 0;

  const end = () => {
    node.style.translate = "";
    from = null;
  };

  node.addEventListener("touchstart", ({ touches, target }) => {
    from = touches.length === 1 && !target.closest(SCROLLS_ITSELF) ? touches[0] : null;
    way = 0;
  }, { passive: true });
  node.addEventListener("touchmove", ({ touches }) => {
    if (!from) return;
    const [x, y] = [touches[0].clientX - from.clientX, touches[0].clientY - from.clientY];
    // It scrolls, or selects.
    if (Math.abs(y) > Math.abs(x) || !getSelection().isCollapsed) return end();
    way = x;
    node.style.translate = `${Math.max(-MAX_SHOWN_PX, Math.min(MAX_SHOWN_PX, x)) / 3}px 0`;
  }, { passive: true });
  node.addEventListener("touchcancel", end, { passive: true });
  node.addEventListener("touchend", () => {
    if (from && Math.abs(way) > FAR_PX) step((way < 0) !== isRightToLeft() ? 1 : -1);
    end();
  }, { passive: true });
}
