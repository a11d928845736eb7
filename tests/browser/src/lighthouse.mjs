// Lighthouse, where somebody has installed it: it is large, and no test needs it.

import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

import { EXECUTABLE, FLAGS } from "./browser.mjs";

const FOLDER = process.env.LIGHTHOUSE ?? fileURLToPath(new URL("../../../target/lighthouse/", import.meta.url));
/** What Lighthouse's own Chromium would have, so that its windows are drawn. */
const HEADLESS = "--headless=new";

function load(name) {
  const path = createRequire(`${FOLDER}/index.js`).resolve(name);
  return import(pathToFileURL(path).href);
}

/** What measures a page as somebody who has signed in, or null where it is not installed. */
export async function startLighthouse() {
  let lighthouse, puppeteer;
  try {
    [{ default: lighthouse }, { default: puppeteer }] = await Promise.all([load("lighthouse"), load("puppeteer-core")]);
  } catch {
    return null;
  }
  const browser = await puppeteer.launch({ executablePath: EXECUTABLE, args: [...FLAGS, HEADLESS] });
  return {
    /** The four scores of an address, of 100, and what cost points. `session` is what a browser keeps of a user. */
    async score(url, session) {
      const context = await browser.createBrowserContext();
      const page = await context.newPage();
      if (session) await keep(page, url, session);
      const { lhr } = await lighthouse(url, { output: "json", logLevel: "error", disableStorageReset: Boolean(session) }, undefined, page);
      await context.close();
      const scores = Object.fromEntries(Object.values(lhr.categories).map(({ title, score }) => [title, Math.round(score * 100)]));
      const weak = Object.values(lhr.audits).filter(({ score, scoreDisplayMode }) => score !== null && score < 0.9 && scoreDisplayMode !== "informative");
      return { scores, weak: weak.map(({ id, displayValue, title }) => `${id}: ${displayValue ?? title}`) };
    },
    stop: () => browser.close(),
  };
}

async function keep(page, url, { cookies, origins }) {
  await page.setCookie(...cookies.map(({ expires, ...cookie }) => cookie));
  await page.goto(new URL("/assets/icon.svg", url).href);
  await page.evaluate((items) => items.forEach(({ name, value }) => localStorage.setItem(name, value)), origins[0].localStorage);
}
