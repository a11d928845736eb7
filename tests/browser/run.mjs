// All journeys, some files of them at once: each has a Troupe and a browser of its own, and waits more than it computes.
//
//   node tests/browser/run.mjs [file …]

import { readdirSync } from "node:fs";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { fileURLToPath } from "node:url";

const AT_ONCE = 3;

const folder = fileURLToPath(new URL("./", import.meta.url));
const all = () => readdirSync(folder).filter((name) => name.endsWith(".test.mjs")).map((name) => folder + name);
const named = process.argv.slice(2);
const files = named.length ? named : all();

run({ files, concurrency: AT_ONCE })
  .on("test:fail", () => (process.exitCode = 1))
  .compose(new spec())
  .pipe(process.stdout);
