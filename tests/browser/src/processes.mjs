// Servers, workers and engines as child processes: what they log, how they end, and that none outlives its test.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { within } from "./waiting.mjs";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** Where the programs have been built. */
const BINARIES = process.env.TROUPE_BIN_DIR ?? `${process.env.CARGO_TARGET_DIR ?? `${ROOT}target`}/debug`;

export function binary(name) {
  const path = `${BINARIES}/${name}`;
  if (!existsSync(path)) throw new Error(`${path} is missing: run cargo build --workspace --bins`);
  return path;
}

// Kills what is left when this process ends, whatever ends it: it reads a pipe of which we alone hold the other end.
const WATCH = `
  while read -r pid; do pids="$pids $pid"; done
  [ -z "$pids" ] || kill -s KILL $pids
`;
let watchdog = null;

/** A process that ends with this one. */
export function watch(pid) {
  if (!watchdog) {
    watchdog = spawn("/bin/sh", ["-c", WATCH], { stdio: ["pipe", "ignore", "ignore"], detached: true });
    watchdog.unref();
    watchdog.stdin.unref?.();
  }
  watchdog.stdin.write(`${pid}\n`);
}

/** A program under test, and everything that it writes. */
export class Process {
  #child;
  #ended;
  #listeners = new Set();
  lines = [];

  constructor(name, program, { args = [], env }) {
    this.name = name;
    const environment = { PATH: process.env.PATH, ...env };
    this.#child = spawn(binary(program), args, { env: environment, stdio: ["ignore", "pipe", "pipe"] });
    this.#ended = new Promise((resolve) => this.#child.once("close", (code, signal) => resolve(signal ?? code)));
    this.#child.once("error", (error) => this.#hear(String(error)));
    for (const pipe of [this.#child.stdout, this.#child.stderr]) createInterface({ input: pipe }).on("line", (line) => this.#hear(line));
    this.#ended.then(() => this.#tell());
    watch(this.#child.pid);
  }

  #hear(line) {
    this.lines.push(line);
    this.#tell();
  }

  #tell() {
    this.#listeners.forEach((listener) => listener());
  }

  get #over() {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Waits for a log entry with this message, and returns its fields. */
  logged(message) {
    const found = () => this.lines.map(entryOf).find((entry) => entry?.fields?.message === message)?.fields;
    const heard = new Promise((resolve, reject) => {
      const look = () => {
        const fields = found();
        if (!fields && !this.#over) return;
        this.#listeners.delete(look);
        fields ? resolve(fields) : reject(new Error(`${this.name} ended before “${message}”:\n${this.lines.join("\n")}`));
      };
      this.#listeners.add(look);
      look();
    });
    return within(`“${message}” of ${this.name}`, heard, 60_000);
  }

  /** kill -9. */
  async kill() {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  /** SIGTERM, and the good end that must follow. */
  async stop() {
    if (this.#over) return;
    this.#child.kill("SIGTERM");
    const status = await within(`the end of ${this.name}`, this.#ended, 30_000);
    if (status !== 0) throw new Error(`${this.name} stopped with ${status}:\n${this.lines.slice(-20).join("\n")}`);
  }

  /** The lines that no healthy run has. */
  alarms() {
    return this.lines.filter((line) => entryOf(line)?.level === "ERROR" || line.includes("panicked at"));
  }
}

function entryOf(line) {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

/** The PostgreSQL and the Redis of the whole run, or, where a test is run alone, some that end with this process. */
export async function engines() {
  const { TROUPE_TESTS_POSTGRES: postgres, TROUPE_TESTS_REDIS: redis } = process.env;
  if (postgres && redis) return { postgres, redis, stop: async () => {} };
  const tell = 'echo "$TROUPE_TESTS_POSTGRES"; echo "$TROUPE_TESTS_REDIS"; read -r end';
  const child = spawn(binary("with-engines"), ["/bin/sh", "-c", tell], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("close", resolve));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => (await within("the start of the engines", lines.next(), 60_000)).value;
  return { postgres: await line(), redis: await line(), stop: () => (child.stdin.end(), ended) };
}
