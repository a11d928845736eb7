// The catalogues of texts: whole in each language, and nothing to be read stands outside them.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import test from "node:test";

const ASSETS = new URL("../../server/src/pages/assets/", import.meta.url);
const LANGUAGES = ["en", "de", "es", "fr", "ar"];
/** Pages for developers, and code of others. */
const EXCEPTED = ["docs/", "vendor/", "catalogues/", "design.html", "design.js"];

const catalogue = async (language, name) => JSON.parse(await readFile(new URL(`catalogues/${language}/${name}`, ASSETS), "utf8"));
const namesOf = async (language) => (await readdir(new URL(`catalogues/${language}/`, ASSETS))).sort();

const isPlural = (text) => typeof text === "object" && "other" in text;

/** Texts and plural objects by their keys. */
function textsOf(texts, prefix = "") {
  return Object.entries(texts).flatMap(([key, text]) =>
    typeof text === "string" || isPlural(text) ? [[prefix + key, text]] : textsOf(text, `${prefix}${key}.`));
}

const placeholders = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
const withoutComments = (source) => source.replace(/^\s*(\/\/|\/?\*).*$/gm, "");
const formsOf = (text) => (isPlural(text) ? Object.values(text) : [text]);

async function sources(folder = "") {
  const found = [];
  for (const entry of await readdir(new URL(folder, ASSETS), { withFileTypes: true })) {
    const path = folder + entry.name;
    if (EXCEPTED.some((excepted) => path === excepted || `${path}/` === excepted)) continue;
    if (entry.isDirectory()) found.push(...(await sources(`${path}/`)));
    else if (/\.(js|html)$/.test(path)) found.push([path, await readFile(new URL(path, ASSETS), "utf8")]);
  }
  return found;
}

test("every language has the same catalogues, with the same keys and placeholders", async () => {
  const names = await namesOf("en");
  for (const language of LANGUAGES) {
    assert.deepEqual(await namesOf(language), names, language);
    for (const name of names) {
      const english = new Map(textsOf(await catalogue("en", name)));
      const own = new Map(textsOf(await catalogue(language, name)));
      assert.deepEqual([...own.keys()].sort(), [...english.keys()].sort(), `${language}/${name}`);
      for (const [key, text] of own) {
        const wanted = placeholders(formsOf(english.get(key)).at(-1));
        const many = formsOf(text).at(-1);
        assert.deepEqual(placeholders(many), wanted, `${language}/${name} ${key}`);
        for (const form of formsOf(text)) {
          assert.ok(form.trim() === form && form.length > 0, `${language}/${name} ${key} is empty, or has spaces around it`);
          // A form for one or two may do without the number, but with nothing that the others do not have.
          assert.ok(placeholders(form).every((placeholder) => wanted.includes(placeholder)), `${language}/${name} ${key}`);
        }
      }
    }
  }
});

test("plurals have the forms of their language", async () => {
  for (const language of LANGUAGES) {
    const categories = new Intl.PluralRules(language).resolvedOptions().pluralCategories.sort();
    for (const name of await namesOf(language)) {
      for (const [key, text] of textsOf(await catalogue(language, name))) {
        if (isPlural(text)) assert.deepEqual(Object.keys(text).sort(), categories, `${language}/${name} ${key}`);
      }
    }
  }
});

test("a text is translated, unless it is the same in both languages", async () => {
  const same = new Set(JSON.parse(await readFile(new URL("same_texts.json", import.meta.url), "utf8")));
  for (const language of LANGUAGES.slice(1)) {
    for (const name of await namesOf("en")) {
      const english = new Map(textsOf(await catalogue("en", name)));
      for (const [key, text] of textsOf(await catalogue(language, name))) {
        const copied = typeof text === "string" && text === english.get(key) && /\p{L}{3}/u.test(text.replace(/\{\w+\}/g, ""));
        assert.ok(!copied || same.has(text), `${language}/${name} ${key}: ${text}`);
      }
    }
  }
});

test("every text that the pages ask for is there", async () => {
  const known = new Set();
  for (const name of await namesOf("en")) {
    for (const [key] of textsOf(await catalogue("en", name))) known.add(`${name.replace(".json", "")}.${key}`);
  }
  const prefixes = [...known];
  for (const [path, whole] of await sources()) {
    const source = withoutComments(whole);
    const asked = [...source.matchAll(/\b(?:t|hasText)\("([\w.:-]+)"/g), ...source.matchAll(/data-t(?:-\w+)?="([\w.]+)"/g)];
    for (const [, key] of asked) assert.ok(known.has(key), `${path} asks for ${key}`);
    // Keys that are made of parts: what stands before the first part must lead somewhere.
    for (const [, prefix] of source.matchAll(/\bt\(`([\w.]+\.)\$\{/g)) {
      assert.ok(prefixes.some((key) => key.startsWith(prefix)), `${path} asks for ${prefix}…`);
    }
  }
});

test("no text is kept that no page asks for", async () => {
  const code = (await sources()).map(([, source]) => source).join("\n");
  const asked = new Set([...code.matchAll(/"([a-z]+\.[\w.:-]+)"/g)].map(([, key]) => key));
  const unused = [];
  const prefixes = [...code.matchAll(/`([a-z]+\.[\w.]*)\$\{/g)].map(([, prefix]) => prefix);
  for (const name of await namesOf("en")) {
    for (const [path] of textsOf(await catalogue("en", name))) {
      const key = `${name.replace(".json", "")}.${path}`;
      if (!asked.has(key) && !prefixes.some((prefix) => key.startsWith(prefix))) unused.push(key);
    }
  }
  assert.deepEqual(unused, []);
});

test("no text that is seen stands outside the catalogues", async () => {
  const found = [];
  for (const [path, source] of await sources()) {
    for (const text of path.endsWith(".html") ? proseOfHtml(source) : proseOfScript(source)) found.push(`${path}: ${text}`);
  }
  assert.deepEqual(found, []);
});

/** The name of the product, what is said where no script runs, and what browsers call a system. */
const ALLOWED = new Set(["Troupe", "Troupe needs JavaScript.", "Mac OS X"]);

function proseOfHtml(source) {
  const found = [];
  const body = source.slice(source.indexOf("<body"));
  // What bears data-t is replaced when the page starts; the English in it is for whoever reads the file.
  for (const [, tag, text] of body.matchAll(/<([^<>!][^<>]*)>([^<]*\p{L}{2}[^<]*)/gu)) {
    if (!ALLOWED.has(text.trim()) && !tag.includes("data-t=")) found.push(text.trim());
  }
  for (const [tag, name, text] of body.matchAll(/<[^<>]*\b(aria-label|title|placeholder|alt)="([^"]+)"[^<>]*>/g)) {
    const attribute = { "aria-label": "data-t-label" }[name] ?? `data-t-${name}`;
    if (!tag.includes(`${attribute}=`) && !/data-t-\w+="[^"]*"$/.test(text)) found.push(`${name}=${text}`);
  }
  return found;
}

/** Messages for developers: what is thrown and not a problem of the API is shown to nobody. */
const UNSEEN = /new Error\(|new TypeError\(|console\./;
const SHOWN = /\b(textContent|title|ariaLabel|placeholder|alt|label|innerText)\s*[:=]\s*(["'`])((?:(?!\2).)*\p{L}{3}(?:(?!\2).)*)\2/gu;
const PROSE = /(["'`])((?:(?!\1)[^\\\n])*)\1/g;

function proseOfScript(source) {
  const found = [];
  for (const line of withoutComments(source).split("\n")) {
    if (UNSEEN.test(line)) continue;
    for (const [, , , text] of line.matchAll(SHOWN)) if (!/^\$\{/.test(text) && !ALLOWED.has(text)) found.push(text);
    for (const [, , text] of line.matchAll(PROSE)) if (isProse(text)) found.push(text);
  }
  return found;
}

/** A sentence: it begins with a capital, or ends with a mark, and has several words. Selectors, keys and types do not. */
function isProse(text) {
  const words = text.replace(/\$\{[^}]*\}/g, " ").trim();
  if (/^\p{Lu}\p{Ll}+[.!?…]$/u.test(words)) return true;
  if (!/\p{L}{2,} \p{L}{2,}/u.test(words) || ALLOWED.has(words)) return false;
  return /^\p{Lu}\p{Ll}/u.test(words) || /[.!?…]$/.test(words);
}
