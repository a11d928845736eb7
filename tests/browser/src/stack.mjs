// A whole Troupe of one test's own: database, scripted provider, server and worker, and users of it.

import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { promisify } from "node:util";

import { startProxy } from "./dev.mjs";
import { Process, engines } from "./processes.mjs";
import { ScriptedProvider } from "./provider.mjs";

/** The pages are those in the server's binary; with this they are the files of the source tree. */
const FROM_SOURCE = process.env.TROUPE_TESTS_PAGES === "source";

export const PASSWORD = "correct horse battery staple";
const PROVIDER_KEY = "sk-canary-provider-5d1c0a7e";

/** As `ClusterOptions` of the Rust tests: the pauses of production are shortened to what a test has time for. */
const SETTINGS = {
  TROUPE_TELEMETRY__FORMAT: "json",
  TROUPE_RATE_LIMITS__ENABLED: "false",
  TROUPE_RATE_LIMITS__TIMEOUT: "5s",
  TROUPE_WORKER__RETRY_BASE: "50ms",
  TROUPE_WORKER__SWEEP_INTERVAL: "200ms",
  TROUPE_MODELS__BREAKER_FAILURES: "20",
  OPENAI_API_KEY: PROVIDER_KEY,
};

const run = promisify(execFile);

/** Runs statements, and returns what the last of them selects, a line for each row. */
async function psql(url, statements) {
  const options = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"];
  const { stdout } = await run("psql", [...options, "-d", url, "-c", statements], { maxBuffer: 64 * 1024 * 1024 });
  return stdout.trim();
}

/** The address of another database of the same PostgreSQL. */
function withDatabase(url, database) {
  const [server, options = ""] = url.split("?");
  return `${server.slice(0, server.lastIndexOf("/"))}/${database}?${options}`;
}

async function createDatabase(postgres) {
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  await psql(withDatabase(postgres, "postgres"), `create database ${name} template template_troupe`);
  return name;
}

export class Stack {
  #engines;
  #database;
  #environment;
  #started = 0;
  #proxies = [];
  #more = [];
  provider;
  server;
  worker;
  /** Where a browser finds the pages. */
  url;
  /** Where the server itself listens. */
  api;

  static async start(settings = {}) {
    const stack = new Stack();
    try {
      await stack.#start(settings);
    } catch (error) {
      await stack.stop().catch(() => {});
      throw error;
    }
    return stack;
  }

  async #start(settings) {
    this.#engines = await engines();
    [this.#database, this.provider] = await Promise.all([createDatabase(this.#engines.postgres), ScriptedProvider.start()]);
    this.#environment = {
      ...SETTINGS,
      DATABASE_URL: this.postgres,
      REDIS_URL: this.#engines.redis,
      TROUPE_REDIS__PREFIX: this.#database,
      OPENAI_BASE_URL: this.provider.baseUrl,
      ...settings,
    };
    this.worker = this.#process("troupe-worker");
    await Promise.all([this.startServer(), this.worker.logged("worker ready")]);
    this.url = FROM_SOURCE ? (await this.proxy()).url : this.api;
  }

  #process(program, more = {}) {
    this.#started += 1;
    return new Process(`${program} ${this.#started}`, program, { env: { ...this.#environment, ...more } });
  }

  get postgres() {
    return withDatabase(this.#engines.postgres, this.#database);
  }

  /** Starts the server: at a port that is free, or, where it has been started before, at the same. */
  async startServer() {
    const listen = this.api ? new URL(this.api).host : "127.0.0.1:0";
    this.server = this.#process("troupe-server", { TROUPE_SERVER__LISTEN: listen });
    const { address } = await this.server.logged("listening");
    this.api = `http://${address}`;
  }

  /** One more server, beside the first; returns where it listens. */
  async addServer() {
    const server = this.#process("troupe-server", { TROUPE_SERVER__LISTEN: "127.0.0.1:0" });
    this.#more.push(server);
    const { address } = await server.logged("listening");
    return `http://${address}`;
  }

  async addWorker() {
    const worker = this.#process("troupe-worker");
    this.#more.push(worker);
    await worker.logged("worker ready");
  }

  /** Something between the browser and the server that can refuse WebSockets, and serve the files of the source tree. */
  async proxy({ files = FROM_SOURCE } = {}) {
    const proxy = await startProxy({ api: this.api, files });
    this.#proxies.push(proxy);
    return proxy;
  }

  sql(statements) {
    return psql(this.postgres, statements);
  }

  /** Somebody with an account. */
  async register(name = "Grace") {
    const email = `user-${randomUUID()}@example.com`;
    const answer = await fetch(`${this.api}/api/v1/auth/register`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ email, password: PASSWORD, name }),
    });
    if (answer.status !== 201) throw new Error(`register: ${answer.status} ${await answer.text()}`);
    const { user, access_token: token } = await answer.json();
    return new User(this, { ...user, email }, token);
  }

  async stop() {
    await Promise.all(this.#proxies.map((proxy) => proxy.stop()));
    const ended = await Promise.allSettled(this.#processes.map((process) => process.stop()));
    await this.provider?.stop();
    if (this.#database) await psql(withDatabase(this.#engines.postgres, "postgres"), `drop database ${this.#database} with (force)`);
    await this.#engines?.stop();
    for (const { reason } of ended) if (reason) throw reason;
  }

  get #processes() {
    return [this.server, this.worker, ...this.#more].filter(Boolean);
  }

  /** The lines that no healthy run has. */
  alarms() {
    return this.#processes.flatMap((process) => process.alarms().map((line) => `${process.name}: ${line}`));
  }
}

/** A user as a program sees them: calls of the API beside what the browser does. */
export class User {
  constructor(stack, user, token) {
    Object.assign(this, user, { stack, token });
  }

  async call(method, path, body) {
    const answer = await fetch(`${this.stack.api}/api/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${this.token}`, ...(body && { "Content-Type": "application/json", "Idempotency-Key": randomUUID() }) },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  /** A session as a browser keeps it: the cookie, by name and value. */
  async session() {
    const answer = await fetch(`${this.stack.api}/api/v1/auth/login`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Origin: this.stack.api },
      body: JSON.stringify({ email: this.email, password: PASSWORD, session: true }),
    });
    if (!answer.ok) throw new Error(`log in: ${answer.status} ${await answer.text()}`);
    const [, name, value] = /^([^=]+)=([^;]+)/.exec(answer.headers.getSetCookie()[0]);
    const { user } = await answer.json();
    return { name, value, user };
  }

  /** A conversation with a persona. */
  converse(title, persona = "demo") {
    return this.call("POST", "/conversations", { persona, title });
  }

  /** Sends a message, and waits until its reply has ended. */
  async ask(conversation, content) {
    const { request } = await this.call("POST", `/conversations/${conversation.id}/messages`, { content });
    for (;;) {
      const { status } = await this.call("GET", `/requests/${request.id}?wait=20`);
      if (["completed", "failed", "cancelled"].includes(status)) return request;
    }
  }
}
