// Loads the pages' modules from their folders, as a browser does. There is no package.json beside them, so Node has to
// be told that they are modules.

import { register } from "node:module";

const ASSETS = new URL("../../server/src/pages/assets/", import.meta.url);

const asModules = `export async function load(url, context, next) {
  const isAsset = url.startsWith(${JSON.stringify(ASSETS.href)}) && url.endsWith(".js");
  return next(url, isAsset ? { ...context, format: "module" } : context);
}`;
register(`data:text/javascript,${encodeURIComponent(asModules)}`);

/** The module in this file, by its path below assets/. Whoever loads it again, or loads what it loads, gets the same. */
export const load = (path) => import(new URL(path, ASSETS).href);
