// Markdown that is being written: cut into blocks that never change again, and bounded whatever it is.

import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./modules.mjs";

const { newSplitter } = await load("chat/markdown/splitter.js");
const { isParsable, nestingOf } = await load("chat/markdown/bounds.js");
const { mendTail } = await load("chat/markdown/tail.js");
const { partsOf } = await load("chat/markdown/highlight_worker.js");
const { knownLanguage } = await load("chat/markdown/highlight.js");

function split(text, step = text.length) {
  const splitter = newSplitter();
  for (let at = step; at < text.length; at += step) splitter.push(text.slice(0, at));
  splitter.push(text);
  const open = splitter.open();
  return open ? [...splitter.blocks, open] : splitter.blocks;
}

const shapes = (text) => split(text).map(({ kind, source }) => [kind, source]);
const TEXT = [
  "# Sea", "", "One line", "and another", "", "- a", "- b", "", "  within b", "- c", "", "After it", "```js", "let a = `x`;", "", "# no heading",
  "```", "> said", "> more", "1. one", "2. two", "", "| a | b |", "| - | - |", "| 1 | 2 |", "", "    indented", "", "    still", "---", "end",
].join("\n");

test("blocks are those of Markdown", () => {
  assert.deepEqual(shapes(TEXT), [
    ["text", "# Sea\n"],
    ["text", "One line\nand another\n"],
    ["list", "- a\n- b\n\n  within b\n- c\n\n"],
    ["text", "After it\n"],
    ["code", "```js\nlet a = `x`;\n\n# no heading\n```\n"],
    ["quote", "> said\n> more\n"],
    ["list", "1. one\n2. two\n\n"],
    ["table", "| a | b |\n| - | - |\n| 1 | 2 |\n"],
    ["indented", "    indented\n\n    still\n"].map((part, at) => (at ? part : "text")),
    ["text", "---\n"],
    ["text", "end"],
  ]);
});

test("blocks are the same in whatever portions a text comes", () => {
  for (const step of [1, 2, 3, 7, 20]) assert.deepEqual(split(TEXT, step), split(TEXT));
  const long = `${"word ".repeat(3_000)}\n\n${"- item of a list\n".repeat(400)}\n${"> quoted\n>\n".repeat(300)}`;
  for (const step of [1_000, 777]) {
    const words = split(long, step).map(({ source }) => source).join("").replace(/\s+/g, " ");
    assert.ok(words === long.replace(/\s+/g, " "), `in portions of ${step}`);
  }
});

test("a code block has its language and its code, also before it is closed", () => {
  const code = (text) => split(text).map(({ kind, language, code: inside }) => [kind, language, inside])[0];
  assert.deepEqual(code("```rust title=x\nfn main() {}\n```\n"), ["code", "rust", "fn main() {}"]);
  assert.deepEqual(code("```rust\nfn main"), ["code", "rust", "fn main"]);
  assert.deepEqual(code("~~~~\n```\n~~~\n~~~~"), ["code", "", "```\n~~~"]);
  assert.deepEqual(code("``"), ["text", undefined, undefined]);
  assert.deepEqual(code("```js"), ["code", "", ""]);
});

test("long lists, tables and quotes are cut where the next block can go on with them", () => {
  const list = split("- an item of some length\n".repeat(300));
  assert.ok(list.length > 3 && list.every(({ kind }) => kind === "list"));
  assert.deepEqual([list[0].joins, list[1].joins], [false, true]);
  const table = split(`| a | b |\n|---|---|\n${"| one | two |\n".repeat(400)}`);
  assert.ok(table.length > 3);
  assert.ok(table.every(({ source }) => source.startsWith("| a | b |\n|---|---|\n|")), "each is a table of its own");
});

test("a fence within a list keeps what looks like an end of it inside", () => {
  assert.equal(split("- see\n  ```\n\nnot indented\n\n  ```\n- next\n").length, 1);
});

test("what has no end is cut into plain pieces, never within an emoji", () => {
  const pieces = split("🌊".repeat(60_000));
  assert.ok(pieces.every(({ kind, source }) => kind === "plain" && source.length <= 4_000 && source.isWellFormed()));
  assert.equal(pieces.map(({ source }) => source).join(""), "🌊".repeat(60_000));
  const spaced = split(`${"word ".repeat(40_000)}\n\nafter`);
  assert.equal(spaced.at(-1).source, "after");
  assert.ok(spaced[3].source.endsWith(" "));
});

test("of very many blocks the rest is plain text, and none of it is lost", () => {
  const text = "```\na\n```\n\n".repeat(4_000);
  const blocks = split(text, 10_000);
  assert.ok(blocks.length < 1_600);
  assert.equal(blocks.at(-1).kind, "plain");
  assert.equal(blocks.map(({ source }) => source).join("").replace(/\s+/g, ""), text.replace(/\s+/g, ""));
});

test("splitting takes time in proportion, whatever is split", () => {
  const hostile = [
    "a".repeat(200_000), "- ".repeat(100_000), "> ".repeat(100_000), "`".repeat(200_000), "[".repeat(200_000), "*".repeat(200_000),
    "- a\n".repeat(50_000), "|-".repeat(100_000), "```\n".repeat(50_000), "\n".repeat(200_000), " ".repeat(200_000), "1. ".repeat(70_000),
    Array.from({ length: 600 }, (_, at) => `${" ".repeat(at * 2)}- a`).join("\n"), "#".repeat(200_000), "---\n".repeat(50_000), "- - -".repeat(40_000),
  ];
  for (const text of hostile) {
    const began = performance.now();
    split(text, 20_000);
    // In proportion it takes some 50 ms on an idle machine, and with the square of the length it would take minutes.
    assert.ok(performance.now() - began < 3_000, `${JSON.stringify(text.slice(0, 12))} took ${performance.now() - began} ms`);
  }
});

test("the parser gets what it is quick with, and nothing that is nested without an end", () => {
  assert.ok(isParsable("A **bold** word, `code`, [a link](https://example.com) and *more*. ".repeat(12)));
  assert.ok(isParsable(`- ${"word ".repeat(300)}\n`.repeat(4)));
  for (const text of ["> ".repeat(2_000), "- ".repeat(2_000), "a_".repeat(2_000), "[".repeat(3_000), "*a **b ".repeat(500)]) assert.ok(!isParsable(text), text.slice(0, 9));
  assert.ok(!isParsable(Array.from({ length: 40 }, (_, at) => `${" ".repeat(at * 2)}- a`).join("\n")));
  assert.equal(nestingOf("> - > a"), 3);
});

test("what is begun at the end shows as what it becomes", () => {
  assert.equal(mendTail("a **bold"), "a **bold**");
  assert.equal(mendTail("a **bold**"), "a **bold**");
  assert.equal(mendTail("a `code"), "a `code`");
  assert.equal(mendTail("a title\n-"), "a title");
  assert.equal(mendTail("see [the sea](https://exa"), "see the sea");
  assert.equal(mendTail("as in a[1]"), "as in a[1]");
});

test("code is coloured by its parts, and keeps every character", async () => {
  const code = 'const sea = "blue"; // deep\nreturn 42;';
  const parts = await partsOf(code, "js");
  assert.equal(parts.map(([text]) => text).join(""), code);
  assert.deepEqual(parts.find(([text]) => text.includes("deep"))?.[1], "comment");
  assert.deepEqual([knownLanguage("TypeScript"), knownLanguage("rust"), knownLanguage("klingon")], ["ts", "rs", null]);
});
