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

/** From now on; returns what tells the longest task (0 where none took 50 ms), how many there were, and times of frames. */
export async function watchFrames(page) {
  await page.evaluate(() => {
    const seen = (globalThis.seenFrames = { tasks: [], frames: [] });
    new PerformanceObserver((list) => seen.tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: "longtask" });
    let last = performance.now();
    requestAnimationFrame(function drawn(now) {
      seen.frames.push(now - last);
      last = now;
      requestAnimationFrame(drawn);
    });
  });
  return async () => {
    const { tasks, frames } = await page.evaluate(() => globalThis.seenFrames);
    const sorted = [...frames].sort((a, b) => a - b);
    return { longest: Math.max(0, ...tasks), tasks: tasks.length, median: sorted[Math.floor(sorted.length / 2)], p99: sorted[Math.floor(sorted.length * 0.99)] };
  };
}
