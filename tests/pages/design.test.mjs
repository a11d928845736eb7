// The design system: its colours are legible, and right-to-left needs no rules of its own.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import test from "node:test";

const STYLES = new URL("../../server/src/pages/assets/styles/", import.meta.url);
const read = (name) => readFile(new URL(name, STYLES), "utf8");

const SURFACES = ["paper", "side", "raised", "bubble", "sunken", "spoken"];
const INKS = ["ink", "quiet", "accent", "accent-strong", "danger", "good", "warn", "code-keyword", "code-string", "code-number", "code-comment", "code-name"];

function luminance(colour) {
  const hex = colour.length === 4 ? colour.replace(/[\da-f]/g, "$&$&") : colour;
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one, other) {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

test("text has a contrast of 4.5 on every surface, light and dark", async () => {
  const tokens = await read("tokens.css");
  const colours = new Map([...tokens.matchAll(/--([\w-]+): light-dark\((#[\da-f]+), (#[\da-f]+)\)/g)].map(([, name, ...both]) => [name, both]));
  for (const [at, scheme] of ["light", "dark"].entries()) {
    const ratio = (ink, surface) => contrast(colours.get(ink)[at], colours.get(surface)[at]);
    for (const surface of SURFACES) {
      for (const ink of INKS) assert.ok(ratio(ink, surface) >= 4.5, `${ink} on ${surface}, ${scheme}: ${ratio(ink, surface)}`);
    }
    for (const [ink, surface] of [["on-accent", "accent"], ["on-accent", "accent-strong"], ["on-danger", "danger"], ["ink", "hit"]]) {
      assert.ok(ratio(ink, surface) >= 4.5, `${ink} on ${surface}, ${scheme}: ${ratio(ink, surface)}`);
    }
    for (const surface of ["paper", "raised"]) assert.ok(ratio("outline", surface) >= 3, `outline on ${surface}, ${scheme}`);
  }
});

test("sides are logical", async () => {
  const physical = /(?:^|[;{\s])((?:margin|padding|border)-(?:left|right)|(?:left|right)\s*:|text-align:\s*(?:left|right)|float:)/g;
  for (const name of await readdir(STYLES)) {
    const css = (await read(name)).replace(/\/\*[^]*?\*\//g, "");
    // Code is written from left to right in every language.
    const prose = css.replace(/^.*\bpre \{[^}]*\}/gm, "");
    assert.deepEqual([...prose.matchAll(physical)].map(([, rule]) => rule), [], name);
  }
});

test("colours are tokens", async () => {
  for (const name of (await readdir(STYLES)).filter((each) => each !== "tokens.css")) {
    const css = (await read(name)).replace(/\/\*[^]*?\*\//g, "");
    assert.deepEqual([...css.matchAll(/#[\da-f]{3,8}\b|\brgb\(/gi)].map(([colour]) => colour), [], name);
  }
});
