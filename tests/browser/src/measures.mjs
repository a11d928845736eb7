// What a browser measures of a page.

/** What came over the network while a page was opened, each as `{url, bytes}`: compressed, with its headers. */
export async function transfers({ context }, opened, hash = "") {
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  const urls = new Map();
  const sizes = new Map();
  session.on("Network.requestWillBeSent", ({ requestId, request }) => urls.set(requestId, request.url));
  session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => sizes.set(requestId, encodedDataLength));
  await session.send("Network.enable");
  await page.goto(`/${hash}`, { waitUntil: "networkidle" });
  await opened(page);
  return [...sizes].map(([id, bytes]) => ({ url: urls.get(id), bytes }));
}

/** For the beginning of a page: notes paints, shifts of its layout, and long tasks. */
export const watchLoad = () => {
  const figures = (globalThis.figures = { fcp: 0, lcp: 0, cls: 0, task: 0 });
  const note = (type, take) => new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });
  note("paint", ({ name, startTime }) => name === "first-contentful-paint" && (figures.fcp = startTime));
  note("largest-contentful-paint", ({ startTime }) => (figures.lcp = startTime));
  note("layout-shift", ({ value, hadRecentInput }) => hadRecentInput || (figures.cls += value));
  note("longtask", ({ duration }) => (figures.task = Math.max(figures.task, duration)));
};

export const loadFigures = (page) => page.evaluate(() => globalThis.figures);

/**
 * From now on; returns what tells the longest task of the page's thread, by the clock and by the processor's time that it
 * took, in milliseconds, and times of frames. On a machine with more to do the clock counts what others did meanwhile.
 */
export async function watchFrames(browser, page) {
  await browser.startTracing(page, { categories: ["devtools.timeline", "disabled-by-default-devtools.timeline"] });
  await page.evaluate(() => {
    const seen = (globalThis.seenFrames = { frames: [] });
    let last = performance.now();
    requestAnimationFrame(function drawn(now) {
      seen.frames.push(now - last);
      last = now;
      requestAnimationFrame(drawn);
    });
  });
  return async () => {
    const { frames } = await page.evaluate(() => globalThis.seenFrames);
    const tasks = tasksOf(JSON.parse(String(await browser.stopTracing())).traceEvents);
    const sorted = [...frames].sort((a, b) => a - b);
    return {
      byClock: Math.max(...tasks.map(({ dur }) => dur)) / 1_000, byProcessor: Math.max(...tasks.map(({ tdur }) => tdur)) / 1_000,
      long: tasks.filter(({ dur }) => dur > 50_000).length,
      median: sorted[Math.floor(sorted.length / 2)], p99: sorted[Math.floor(sorted.length * 0.99)],
    };
  };
}

/** The tasks of pages' main threads; their times are in microseconds. */
function tasksOf(events) {
  const named = events.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain");
  const threads = new Set(named.map(({ pid, tid }) => `${pid} ${tid}`));
  return events.filter(({ name, pid, tid, tdur }) => name === "RunTask" && tdur && threads.has(`${pid} ${tid}`));
}
