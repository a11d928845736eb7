// One Chromium for the tests of a file, and windows in it that note everything which no healthy page does.

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { chromium } from "playwright-core";

const CHROMIUMS = [
  "/usr/bin/chromium-headless-shell", "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];
export const EXECUTABLE = process.env.CHROMIUM ?? CHROMIUMS.find((path) => existsSync(path));
/** Root may not have a sandbox, and containers have a small /dev/shm. */
export const FLAGS = [...(process.getuid() === 0 ? ["--no-sandbox"] : []), "--disable-dev-shm-usage"];
const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** What a locator waits for, at most. */
const PATIENCE_MS = 15_000;

export const DESKTOP = { viewport: { width: 1200, height: 800 } };
export const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

export function launch() {
  if (!EXECUTABLE) throw new Error("there is no Chromium: scripts/setup test installs it, or set CHROMIUM");
  return chromium.launch({ executablePath: EXECUTABLE, args: FLAGS });
}

/** What a browser keeps of somebody who has signed in. */
export async function storedSession(stack, origin, user) {
  const { name, value, user: signedIn } = await user.session();
  const { hostname } = new URL(origin);
  const cookie = { name, value, domain: hostname, path: "/", expires: -1, httpOnly: true, secure: false, sameSite: "Strict" };
  return { cookies: [cookie], origins: [{ origin, localStorage: [{ name: "troupe.session", value: JSON.stringify({ user: signedIn }) }] }] };
}

/** Reports what the policy of the page has kept from happening: to the console, and to us. */
const REPORT_VIOLATIONS = () => addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile, lineNumber }) =>
  globalThis.reportViolation(`${violatedDirective} kept out ${blockedURI} (${sourceFile}:${lineNumber})`), true);

/** A browser of one person: its windows share cookies and storage. Service workers run where a journey is about them. */
export class Device {
  #allowed = [];
  faults = [];

  static async open(browser, { origin, user, ...options }) {
    const storageState = user && (await storedSession(user.stack, origin, user));
    const context = await browser.newContext({ baseURL: origin, locale: "en-GB", serviceWorkers: "block", ...DESKTOP, ...options, storageState });
    context.setDefaultTimeout(PATIENCE_MS);
    const device = new Device(context, origin);
    await context.exposeFunction("reportViolation", (what) => device.fault(`policy: ${what}`));
    await context.addInitScript(REPORT_VIOLATIONS);
    context.on("console", (message) => message.type() === "error" && device.fault(`console: ${message.text()} (${message.location().url})`));
    context.on("weberror", (error) => device.fault(`error: ${error.error().stack ?? error.error()}`));
    context.on("request", (request) => device.#look(request.url()));
    return device;
  }

  constructor(context, origin) {
    Object.assign(this, { context, origin });
  }

  #look(url) {
    const { protocol, origin } = new URL(url);
    if (["data:", "blob:", "about:"].includes(protocol) || origin === this.origin) return;
    this.fault(`request: ${url} is of another host`);
  }

  /** What the test itself brings about is none. */
  allow(...patterns) {
    this.#allowed.push(...patterns);
  }

  fault(what) {
    this.faults.push(what);
  }

  /** Opens a window at an address of the page. */
  async visit(hash = "", path = "/") {
    const page = await this.#newWindow();
    page.on("crash", () => this.fault("a window has crashed"));
    await page.goto(`${path}${hash}`, { waitUntil: "load" });
    return page;
  }

  /** A window of its own each: a tab behind another one is hardly drawn, and everything that a test does there waits. */
  async #newWindow() {
    const [first] = this.context.pages();
    if (!first) return this.context.newPage();
    const opened = this.context.waitForEvent("page");
    await first.evaluate(() => void open("about:blank", "_blank", "popup,noopener"));
    return opened;
  }

  /** Cuts the network, or joins it again, also for the service worker. */
  offline(isOffline) {
    return this.context.setOffline(isOffline);
  }

  unexpected() {
    return this.faults.filter((fault) => !this.#allowed.some((pattern) => pattern.test(fault)));
  }

  close() {
    return this.context.close();
  }
}

/** Brings what moves or fades to its end, but for what never has one. */
export const atRest = (page) => page.evaluate(async () => {
  await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
  const ending = document.getAnimations().filter((animation) => Number.isFinite(animation.effect.getComputedTiming().endTime));
  // Not awaited: what is not drawn at the moment never ends.
  for (const animation of ending) animation.finish();
});

/** Violations of accessibility rules in what is shown, each in a line. */
export async function violations(page) {
  await atRest(page);
  if (!(await page.evaluate(() => Boolean(globalThis.axe)))) {
    // Not as a script of the page: its policy lets none in.
    const session = await page.context().newCDPSession(page);
    await session.send("Runtime.evaluate", { expression: readFileSync(AXE, "utf8") });
    await session.detach();
  }
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const line = ({ id, help }, { target, failureSummary, html }) =>
    [`${id} (${help}): ${target.join(" ")}`, html.slice(0, 200), failureSummary.replaceAll("\n", " ")].join("\n    ");
  return found.violations.flatMap((rule) => rule.nodes.map((node) => line(rule, node)));
}

/** The longest tasks of a page so far, in milliseconds, the longest first; empty where none took 50 ms. */
export const watchTasks = (page) => page.evaluate(() => {
  globalThis.longTasks = [];
  new PerformanceObserver((list) => globalThis.longTasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: "longtask" });
});

export const longTasks = (page) => page.evaluate(() => [...globalThis.longTasks].sort((a, b) => b - a));
