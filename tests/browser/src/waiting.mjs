// Waiting for something to be so, with a deadline. Nothing waits for a time to pass.

import { setTimeout as pause } from "node:timers/promises";

/** Between two looks: a test that looks all the time takes the processor from what it looks at. */
const PACE_MS = 40;
const DEADLINE_MS = 20_000;

/** What a promise brings, if it does so in time. */
export async function within(what, promise, milliseconds = DEADLINE_MS) {
  const deadline = new AbortController();
  const late = pause(milliseconds, undefined, { signal: deadline.signal }).then(() => {
    throw new Error(`${what} did not come within ${milliseconds / 1_000} s`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    deadline.abort();
    late.catch(() => {});
  }
}

/** Looks until this returns something true or throws no more, and returns that. */
export async function eventually(what, look, milliseconds = DEADLINE_MS) {
  const deadline = Date.now() + milliseconds;
  for (;;) {
    let fault = "it is not so";
    try {
      const seen = await look();
      if (seen || seen === undefined) return seen;
    } catch (error) {
      fault = error.message;
    }
    if (Date.now() > deadline) throw new Error(`${what}, within ${milliseconds / 1_000} s: ${fault}`);
    await pause(PACE_MS);
  }
}
