// Tests of /v1 with OpenAI's own SDKs, those in Python and those in Node.js at once, against one stack: two servers, two
// workers and a scripted model service. scripts/sdks installs the SDKs and runs this.
//
//   node tests/sdk/run.mjs [python | node] [arguments of unittest, or files]

import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { watch } from "../browser/src/processes.mjs";
import { Stack } from "../browser/src/stack.mjs";
import { within } from "../browser/src/waiting.mjs";
import { Control } from "./src/control.mjs";

const SUITE_MS = 120_000;

const folder = fileURLToPath(new URL("./", import.meta.url));
const PYTHON = `${folder}../../target/tools/sdks/bin/python`;
/** Limits of calls are far away but for those who are in the tier `free`: they send one message. */
const SETTINGS = { TROUPE_RATE_LIMITS__ENABLED: "true", TROUPE_RATE_LIMITS__ANONYMOUS: "10000 per 1m", TROUPE_RATE_LIMITS__SIGN_IN_ADDRESS: "10000 per 1m" };
const TIERS = `update tiers set calls_per_minute = 100000, chat_per_minute = 100000 where name = 'pro';
  update tiers set chat_per_minute = 1 where name = 'free'`;

const keyOf = async (user, scopes) => (await user.call("POST", "/api-keys", { name: "sdk", scopes })).key;

/** What the tests are told. */
async function stage(stack, control) {
  const [user, other, limited] = await Promise.all(["Ada", "Grace", "Mary"].map((name) => stack.register(name)));
  await stack.sql(`${TIERS}; update users set tier = 'pro' where id in ('${user.id}', '${other.id}')`);
  const all = ["chat:write", "chat:read", "personas:read", "embeddings"];
  return {
    servers: [stack.api, await stack.addServer()],
    control: control.url,
    key: await keyOf(user, all),
    other_key: await keyOf(other, all),
    limited_key: await keyOf(limited, all),
    reading_key: await keyOf(user, ["personas:read"]),
  };
}

const files = () => readdirSync(folder).filter((name) => name.endsWith(".test.mjs"));

/** What is run: the tests in Python as one, those in Node.js by files. */
const SUITES = {
  python: (named) => [{ name: "python", program: PYTHON, args: ["-B", "-m", "unittest", ...(named.length ? named : ["discover"]), "--verbose"] }],
  node: (named) => (named.length ? named : files()).map((name) => ({ name, program: process.execPath, args: ["--test-reporter=spec", name] })),
};

/** Runs it to its end, and shows what it has written in one piece. */
async function finish({ name, program, args }, env) {
  const child = spawn(program, args, { cwd: folder, env: { PATH: process.env.PATH, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  watch(child.pid);
  const output = [];
  for (const pipe of [child.stdout, child.stderr]) pipe.on("data", (bytes) => output.push(bytes));
  const ended = new Promise((resolve, reject) => child.once("close", (code, signal) => resolve(signal ?? code)).once("error", reject));
  try {
    const status = await within(`the end of ${name}`, ended, SUITE_MS);
    if (status !== 0) throw new Error(`${name} ended with ${status}`);
  } finally {
    child.kill("SIGKILL");
    process.stdout.write(Buffer.concat([Buffer.from(`— ${name}\n`), ...output]));
  }
}

const [only, ...named] = process.argv.slice(2);
const stack = await Stack.start(SETTINGS);
const control = new Control(stack);
const faults = [];
try {
  await Promise.all([control.start(), stack.addWorker()]);
  const env = { TROUPE_SDKS: JSON.stringify(await stage(stack, control)) };
  const suites = (only ? [only] : Object.keys(SUITES)).flatMap((name) => SUITES[name](named));
  const ended = await Promise.allSettled(suites.map((suite) => finish(suite, env)));
  faults.push(...ended.flatMap(({ reason }) => reason ?? []), ...stack.alarms());
} finally {
  control.stop();
  await stack.stop();
}
for (const fault of faults) console.error(fault.message ?? fault);
process.exitCode = faults.length ? 1 : 0;
