// Figures of the pages as a browser measures them, for docs/PERFORMANCE.md. No test: they are those of one machine.
//
//   target/debug/with-engines node tests/browser/figures.mjs
//
// Lighthouse is no dependency of the tests. Where its scores are wanted, it is to be installed first:
//
//   npm install --prefix target/lighthouse --no-save lighthouse@12.8.2

import { DESKTOP, Device, PHONE, launch, storedSession } from "./src/browser.mjs";
import { Chat } from "./src/chat.mjs";
import { startLighthouse } from "./src/lighthouse.mjs";
import { addPersonas, lively } from "./src/lively.mjs";
import { fill } from "./src/long_conversation.mjs";
import { loadFigures, transfers, watchFrames, watchLoad } from "./src/measures.mjs";
import { words } from "./src/replies.mjs";
import { Stack } from "./src/stack.mjs";

const RUNS = 5;
const TURNS = 2_500;

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const milliseconds = (time) => (time ? `${Math.round(time)} ms` : "under 50 ms");

/** A page in a browser that has never seen it: the median of some runs. */
async function firstView(browser, stack, { name, user, hash, ready, size }) {
  const runs = [];
  for (let run = 0; run < RUNS; run += 1) {
    const device = await Device.open(browser, { origin: stack.url, user, ...size });
    await device.context.addInitScript(watchLoad);
    let figures = null;
    const seen = await transfers(device, async (page) => {
      await ready(page);
      figures = await loadFigures(page);
    }, hash);
    runs.push({ ...figures, requests: seen.length, kib: seen.reduce((total, { bytes }) => total + bytes, 0) / 1024 });
    await device.close();
  }
  const of = (key) => median(runs.map((run) => run[key]));
  console.log(`| ${name} | ${of("kib").toFixed(1)} KiB | ${of("requests")} | ${Math.round(of("fcp"))} ms | ${Math.round(of("lcp"))} ms `
    + `| ${of("cls").toFixed(3)} | ${milliseconds(of("task"))} |`);
}

/** Tasks and frames while a reply is written into a conversation of so many turns, a word every few milliseconds. */
async function streaming(browser, stack, turns) {
  const user = await stack.register();
  const conversation = await user.converse("Years of talk");
  if (turns) await fill(stack, conversation, turns);
  const device = await Device.open(browser, { origin: stack.url, user });
  const chat = new Chat(await device.visit(`#/c/${conversation.id}`), device);
  await chat.live();
  if (turns) await chat.questions().filter({ hasText: `Question ${turns}:` }).waitFor();
  const reply = Array.from({ length: 25 }, (_, n) => `## Part ${n}\n\n${words(60, n)}\n\n- ${words(8)}\n- ${words(8)}\n\n`).join("");
  stack.provider.on("figures", { chunks: reply.match(/\s*\S+\s*/g), pace: 5 });
  const watched = await watchFrames(browser, chat.page);
  await chat.send("figures");
  const stop = chat.page.getByRole("button", { name: "Stop the reply" });
  await stop.waitFor();
  await stop.waitFor({ state: "hidden", timeout: 120_000 });
  const { byClock, byProcessor, long, median: frame, p99 } = await watched();
  console.log(`| ${2 * turns} | ${Math.round(byProcessor)} ms | ${Math.round(byClock)} ms | ${long} | ${frame.toFixed(1)} ms | ${p99.toFixed(1)} ms |`);
  await device.close();
}

async function scores(stack, pages) {
  const lighthouse = await startLighthouse();
  if (!lighthouse) return console.log("\nLighthouse is not installed: see the head of tests/browser/figures.mjs");
  console.log("\n| page | performance | accessibility | best practices | SEO |\n| --- | ---: | ---: | ---: | ---: |");
  for (const { name, user, hash = "", path = "/" } of pages) {
    const session = user && (await storedSession(stack, stack.url, user));
    const { scores: found, weak } = await lighthouse.score(`${stack.url}${path}${hash}`, session);
    console.log(`| ${name} | ${Object.values(found).join(" | ")} |`);
    for (const fault of weak) console.error(`  ${name}: ${fault}`);
  }
  return lighthouse.stop();
}

const stack = await Stack.start();
const browser = await launch();
try {
  await addPersonas(await stack.register("Owner"));
  const { user, conversation } = await lively(stack);
  const pages = [
    { name: "gate", ready: (page) => page.locator("#gate-form button").waitFor() },
    { name: "gallery", user, ready: (page) => page.locator("#personas a").nth(5).waitFor() },
    { name: "conversation", user, hash: `#/c/${conversation.id}`, ready: (page) => page.locator("article.reply pre").waitFor() },
    { name: "account", user, hash: "#/account", ready: (page) => page.locator("#account li").first().waitFor() },
  ];
  console.log("| first view | transfer | requests | first paint | largest paint | layout shift | longest task |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
  for (const page of pages) {
    await firstView(browser, stack, { ...page, size: DESKTOP });
    await firstView(browser, stack, { ...page, name: `${page.name}, phone`, size: PHONE });
  }
  console.log("\n| streaming into so many messages | longest task, processor | longest task, clock | over 50 ms by the clock | frame, median | frame, p99 |\n| ---: | ---: | ---: | ---: | ---: | ---: |");
  for (const turns of [0, TURNS]) await streaming(browser, stack, turns);
  await scores(stack, pages);
} finally {
  await browser.close();
  await stack.stop();
}
