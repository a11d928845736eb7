// The worker behind highlight.js.

import { tokenizer } from "../../vendor/highlight/tokenize.js";

/** Each path is a literal of its own, because the build replaces literals by digest names. */
const LANGUAGES = {
  bash: () => import("../../vendor/highlight/languages/bash.js"),
  c: () => import("../../vendor/highlight/languages/c.js"),
  css: () => import("../../vendor/highlight/languages/css.js"),
  diff: () => import("../../vendor/highlight/languages/diff.js"),
  docker: () => import("../../vendor/highlight/languages/docker.js"),
  go: () => import("../../vendor/highlight/languages/go.js"),
  html: () => import("../../vendor/highlight/languages/html.js"),
  ini: () => import("../../vendor/highlight/languages/ini.js"),
  java: () => import("../../vendor/highlight/languages/java.js"),
  js: () => import("../../vendor/highlight/languages/js.js"),
  jsdoc: () => import("../../vendor/highlight/languages/jsdoc.js"),
  json: () => import("../../vendor/highlight/languages/json.js"),
  lua: () => import("../../vendor/highlight/languages/lua.js"),
  make: () => import("../../vendor/highlight/languages/make.js"),
  pl: () => import("../../vendor/highlight/languages/pl.js"),
  py: () => import("../../vendor/highlight/languages/py.js"),
  regex: () => import("../../vendor/highlight/languages/regex.js"),
  rs: () => import("../../vendor/highlight/languages/rs.js"),
  sql: () => import("../../vendor/highlight/languages/sql.js"),
  todo: () => import("../../vendor/highlight/languages/todo.js"),
  toml: () => import("../../vendor/highlight/languages/toml.js"),
  ts: () => import("../../vendor/highlight/languages/ts.js"),
  xml: () => import("../../vendor/highlight/languages/xml.js"),
  yaml: () => import("../../vendor/highlight/languages/yaml.js"),
};

/** The library's kinds of parts, as the five colours that there are. */
const KINDS = {
  kwd: "keyword", oper: "keyword", bool: "number", num: "number", str: "string", cmnt: "comment", err: "comment",
  func: "name", class: "name", type: "name", var: "name", section: "name", insert: "string", deleted: "keyword", esc: "number",
};

/** The library asks for the languages that it meets, one within another. */
export async function partsOf(code, language) {
  const parts = [];
  const add = (text, type) => {
    const kind = KINDS[type] ?? null;
    if (!text) return;
    if (parts.at(-1)?.[1] === kind) parts.at(-1)[0] += text;
    else parts.push([text, kind]);
  };
  const run = tokenizer(code, language, add);
  let step = run.next();
  while (!step.done) step = run.next((await LANGUAGES[step.value]?.())?.default ?? []);
  return parts;
}

if (globalThis.WorkerGlobalScope) {
  addEventListener("message", async ({ data: { job, code, language } }) => {
    const parts = await partsOf(code, language).catch(() => null);
    postMessage({ job, parts });
  });
}
