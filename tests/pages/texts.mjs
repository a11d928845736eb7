// The catalogues, for tests of modules that show texts: Node has no server to load them from.

import { readFile, readdir } from "node:fs/promises";

import { load } from "./modules.mjs";

const CATALOGUES = new URL("../../server/src/pages/assets/catalogues/", import.meta.url);

/** Adds all catalogues of these languages. */
export async function addAllTexts(...languages) {
  const { addTexts } = await load("lib/i18n.js");
  for (const language of languages) {
    for (const file of await readdir(new URL(`${language}/`, CATALOGUES))) {
      addTexts(language, file.replace(".json", ""), JSON.parse(await readFile(new URL(`${language}/${file}`, CATALOGUES), "utf8")));
    }
  }
}
