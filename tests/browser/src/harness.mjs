// What every journey stands on: a Troupe and a Chromium for its file, people of its own, and the checks that hold for
// all of them: no console error, no report of the policy, no request to another host, no error in a log.

import { mkdirSync } from "node:fs";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

import { Device, PHONE, launch } from "./browser.mjs";
import { Chat } from "./chat.mjs";
import { Stack } from "./stack.mjs";

export { DESKTOP, PHONE, atRest, longTasks, violations, watchTasks } from "./browser.mjs";
export { Chat } from "./chat.mjs";
export { PASSWORD } from "./stack.mjs";
export { eventually, within } from "./waiting.mjs";

const JOURNEY_MS = 90_000;
const PICTURES = fileURLToPath(new URL("../../../target/browser/", import.meta.url));

const shared = {};

/** One for the file, started when it is first wanted, and stopped at its end. */
const stackOfFile = () => (shared.stack ??= Stack.start());
const browserOfFile = () => (shared.browser ??= launch());

after(async () => {
  await (await shared.browser?.catch(() => null))?.close();
  await (await shared.stack?.catch(() => null))?.stop();
});

/** What a journey is given. */
class Scene {
  #devices = [];
  #stacks = [];
  #expected = [];

  constructor(stack, browser) {
    Object.assign(this, { stack, browser, provider: stack.provider });
  }

  /** A Troupe that this journey alone uses, because it kills parts of it or sets it up in its own way. */
  async ownStack(settings) {
    this.stack = await Stack.start(settings);
    this.provider = this.stack.provider;
    this.#stacks.push(this.stack);
    return this.stack;
  }

  /** A browser of somebody, or of nobody. */
  async device({ user, origin = this.stack.url, ...options } = {}) {
    const device = await Device.open(this.browser, { origin, user, ...options });
    this.#devices.push(device);
    return device;
  }

  /** A window in a browser of its own: somebody who is signed in, at this address. */
  async open(user, hash = "", options = {}) {
    const device = await this.device({ user, ...options });
    const page = await device.visit(hash);
    return new Chat(page, device);
  }

  openPhone(user, hash, options) {
    return this.open(user, hash, { ...PHONE, ...options });
  }

  /** Lines of logs that the journey itself brings about. */
  expectLogs(...patterns) {
    this.#expected.push(...patterns);
  }

  check() {
    const faults = this.#devices.flatMap((device) => device.unexpected());
    const alarms = this.stack.alarms().filter((line) => !this.#expected.some((pattern) => pattern.test(line)));
    if (faults.length + alarms.length) throw new Error(`what no healthy page does:\n${[...faults, ...alarms].join("\n")}`);
  }

  /** What can be seen where a journey ended too soon. */
  async record(name) {
    mkdirSync(PICTURES, { recursive: true });
    const pages = this.#devices.flatMap(({ context }) => context.pages());
    for (const [number, page] of pages.entries()) {
      const path = `${PICTURES}${name.replaceAll(/\W+/g, "-")}-${number + 1}.png`;
      await page.screenshot({ path, timeout: 5_000 }).then(() => console.error(`a picture of it: ${path}`), () => {});
    }
    for (const fault of this.#devices.flatMap((device) => device.unexpected())) console.error(fault);
  }

  async close() {
    await Promise.all(this.#devices.map((device) => device.close()));
    await Promise.all(this.#stacks.map((stack) => stack.stop()));
  }
}

/** A test in a browser. */
export function journey(name, body) {
  test(name, { timeout: JOURNEY_MS }, async () => {
    const scene = new Scene(await stackOfFile(), await browserOfFile());
    scene.provider.forget();
    try {
      await body(scene);
      scene.check();
    } catch (error) {
      await scene.record(name);
      throw error;
    } finally {
      await scene.close();
    }
  });
}
