// Everything at once, to look at the pages by hand: engines, the scripted provider, a server, a worker, and the pages of
// the source tree. Ctrl-C ends all of it.
//
//   TROUPE_TESTS_PAGES=source target/debug/with-engines node tests/browser/src/by_hand.mjs
//
// What the personas say goes by the first word of a message: `markdown`, `long`, `slow 300`, `hostile`, `line`, `nested`,
// `quotes`, `error 500`, `hang`. Programs are those in target/debug, or in TROUPE_BIN_DIR.

import { once } from "node:events";

import { PASSWORD, Stack } from "./stack.mjs";

const stack = await Stack.start();
const { email } = await stack.register("Grace");
console.log(`${stack.url}  (the API: ${stack.api})\nsign in as ${email} with “${PASSWORD}”`);
await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
await stack.stop();
