// Reading again and again, while somebody looks.

/** Calls `read` now, and again `pauseMs` after each end of it (0: no more), while the page is visible. Returns the way to stop. */
export function poll(read, pauseMs) {
  let timer = 0;
  let isStopped = false;
  let isReading = false;

  async function turn() {
    clearTimeout(timer);
    if (isStopped || isReading || document.hidden) return;
    isReading = true;
    try {
      await read();
    } finally {
      isReading = false;
      if (!isStopped && pauseMs > 0) timer = setTimeout(turn, pauseMs);
    }
  }

  const onVisibility = () => (document.hidden ? clearTimeout(timer) : turn());
  document.addEventListener("visibilitychange", onVisibility);
  turn();
  return () => {
    isStopped = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", onVisibility);
  };
}
