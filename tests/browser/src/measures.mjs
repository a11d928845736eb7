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
