// Loads the pages' modules as a browser does: what is served has no package.json to tell Node that it is a module.

import { readFile } from "node:fs/promises";

const ASSETS = new URL("../../server/src/pages/assets/", import.meta.url);

async function addressOf(name) {
  let source = await readFile(new URL(name, ASSETS), "utf8");
  for (const [quoted, other] of source.matchAll(/from "\.\/([\w.]+)"/g)) source = source.replace(quoted, `from "${await addressOf(other)}"`);
  return `data:text/javascript,${encodeURIComponent(source)}`;
}

/** The module in this file. Whoever loads it again, or loads what it loads, gets the same. */
export const load = async (name) => import(await addressOf(name));
