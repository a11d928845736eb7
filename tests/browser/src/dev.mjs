// Development of the pages without a build: their files as they lie in the source tree, everything else from a running
// server. What the build does to them (digest names, compression) is left out; what a browser sees of it is not.
//
//   cargo build --workspace --bins
//   TROUPE_TESTS_PAGES=source target/debug/with-engines node tests/browser/src/by_hand.mjs     everything at once, or in pieces:
//
//   node tests/browser/src/provider.mjs --port 9999                   a scripted model service
//   OPENAI_BASE_URL=http://127.0.0.1:9999/v1 OPENAI_API_KEY=any … target/debug/troupe-server (and troupe-worker)
//   node tests/browser/src/dev.mjs --api http://127.0.0.1:8080 --port 8081
//
// The last word of each of them is the address at which it listens. Files are read anew for each request: a reload of
// the browser shows what has been saved.

import { readFile, stat } from "node:fs/promises";
import http from "node:http";
import { dirname, extname, join, normalize } from "node:path/posix";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";

const ASSETS = fileURLToPath(new URL("../../../server/src/pages/assets/", import.meta.url));

export const POLICY = [
  "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data: blob:", "connect-src 'self'",
  "manifest-src 'self'", "worker-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
].join("; ");

/** Addresses that are not `/assets/…`, and the files that stand there. */
const PAGES = {
  "/": "index.html",
  "/design": "design.html",
  "/docs": "docs/docs.html",
  "/docs/models": "docs/models.html",
  "/sw.js": "sw.js",
  "/manifest.webmanifest": "manifest.webmanifest",
};

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".webmanifest": "application/manifest+json",
  ".md": "text/plain; charset=utf-8",
  ".txt": "text/plain; charset=utf-8",
};
const COMPRESSIBLE = new Set([".html", ".js", ".css", ".json", ".svg", ".webmanifest"]);

/** The file that stands at an address, or null. */
async function fileAt(pathname) {
  const path = PAGES[pathname] ?? (pathname.startsWith("/assets/") ? normalize(pathname.slice("/assets/".length)) : null);
  if (!path || path.startsWith("..")) return null;
  const found = await stat(join(ASSETS, path)).catch(() => null);
  return found?.isFile() ? { path, stamp: `${found.mtimeMs}-${found.size}` } : null;
}

/** The modules that one imports statically, in the order of imports, each once. */
async function staticImports(path, seen = new Set()) {
  const source = await readFile(join(ASSETS, path), "utf8").catch(() => "");
  for (const [, specifier] of source.matchAll(/^(?:import|export)\s[^;]*?["'](\.{1,2}\/[^"']+)["'];?$/gm)) {
    const imported = normalize(join(dirname(path), specifier));
    if (!seen.has(imported)) {
      seen.add(imported);
      await staticImports(imported, seen);
    }
  }
  return seen;
}

async function withPreloads(html) {
  if (!html.includes("<!-- preloads -->")) return html;
  const links = [...(await staticImports("main.js"))].map((path) => `<link rel="modulepreload" href="/assets/${path}">`);
  return html.replace("<!-- preloads -->", links.join("\n"));
}

const compressed = new Map();
const brotli = promisify(brotliCompress);

/** What is sent of a file: brotli where the browser takes it, so that sizes of transfer resemble those of the build. */
async function contentOf({ path, stamp }, accepts) {
  let content = await readFile(join(ASSETS, path));
  if (path.endsWith(".html")) content = Buffer.from(await withPreloads(content.toString()));
  if (!accepts.includes("br") || !COMPRESSIBLE.has(extname(path))) return { content };
  const key = `${path} ${stamp} ${content.length}`;
  if (!compressed.has(key)) {
    compressed.set(key, await brotli(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } }));
  }
  return { content: compressed.get(key), encoding: "br" };
}

async function answerWithFile(file, request, response) {
  const { content, encoding } = await contentOf(file, request.headers["accept-encoding"] ?? "");
  response.writeHead(200, {
    "Content-Type": TYPES[extname(file.path)] ?? "application/octet-stream",
    "Content-Length": content.length,
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
    Vary: "Accept-Encoding",
    ...(encoding && { "Content-Encoding": encoding }),
  });
  response.end(request.method === "HEAD" ? undefined : content);
}

/** The headers of a call as the API would have got them without us: its checks compare `Origin` with `Host`. */
function headersFor(api, headers) {
  const rewritten = { ...headers, host: api.host };
  if (headers.origin) rewritten.origin = api.origin;
  if (headers.referer) rewritten.referer = headers.referer.replace(/^https?:\/\/[^/]+/, api.origin);
  return rewritten;
}

const optionsFor = (api, { url, method, headers }) =>
  ({ host: api.hostname, port: api.port, path: url, method, headers: headersFor(api, headers), agent: false });

/** Where the API is away, so is the connection: a page must see what it would see without us. */
function forward(api, request, response) {
  const call = http.request(optionsFor(api, request), (answer) => {
    response.writeHead(answer.statusCode, answer.statusMessage, answer.headers);
    answer.pipe(response);
    answer.on("error", () => response.destroy());
  });
  call.on("error", () => response.destroy());
  response.on("close", () => call.destroy());
  request.pipe(call);
}

function forwardUpgrade(api, request, socket, head) {
  const call = http.request(optionsFor(api, request));
  const drop = () => socket.destroy();
  const say = ({ statusCode, statusMessage, rawHeaders }) => {
    const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`];
    for (let at = 0; at < rawHeaders.length; at += 2) lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  };
  call.on("upgrade", (answer, upstream, rest) => {
    say(answer);
    socket.write(rest);
    upstream.write(head);
    upstream.pipe(socket).pipe(upstream);
    upstream.on("error", drop).on("close", drop);
    socket.on("close", () => upstream.destroy());
  });
  call.on("response", (answer) => (say(answer), answer.pipe(socket)));
  call.on("error", drop);
  socket.on("error", () => call.destroy());
  call.end();
}

/** The middlemen of some networks: they answer, but let no WebSocket through. */
function refuseUpgrade(socket) {
  socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

/**
 * Serves the pages and forwards the rest to `api`. With `files: false` it forwards the pages too. `allowSockets(false)`
 * refuses WebSockets from then on and ends those that are open.
 */
export async function startProxy({ api, port = 0, files = true }) {
  const target = new URL(api);
  const upgraded = new Set();
  let socketsAllowed = true;
  const server = http.createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://proxy");
    const file = files && (request.method === "GET" || request.method === "HEAD") ? await fileAt(pathname) : null;
    if (file) await answerWithFile(file, request, response);
    else forward(target, request, response);
  });
  server.on("upgrade", (request, socket, head) => {
    socket.on("error", () => socket.destroy());
    if (!socketsAllowed) return refuseUpgrade(socket);
    upgraded.add(socket);
    socket.on("close", () => upgraded.delete(socket));
    forwardUpgrade(target, request, socket, head);
  });
  const endSockets = () => upgraded.forEach((socket) => socket.destroy());
  await new Promise((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    allowSockets(allowed) {
      socketsAllowed = allowed;
      if (!allowed) endSockets();
    },
    async stop() {
      endSockets();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { api: { type: "string" }, port: { type: "string", default: "0" } } });
  if (!values.api) {
    console.error("usage: node tests/browser/src/dev.mjs --api http://127.0.0.1:PORT [--port N]");
    process.exit(2);
  }
  const { url } = await startProxy({ api: values.api, port: Number(values.port) });
  console.log(`the pages of the source tree, with the API of ${values.api}: ${url}`);
}
