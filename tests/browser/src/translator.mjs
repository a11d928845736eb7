// A LibreTranslate that says what a test tells it to, over a real socket.

import http from "node:http";
import { once } from "node:events";

export class ScriptedTranslator {
  #server;
  #words = new Map();
  #lines = new Map();
  #waiting = [];
  #isHeld = false;
  /** Whether it refuses whatever it is asked. */
  refuses = false;
  /** What it was asked: `{q, target}`. */
  calls = [];

  static async start() {
    const translator = new ScriptedTranslator();
    const answer = (request, response) => translator.#answer(request, response).catch(() => response.destroy());
    translator.#server = http.createServer(answer);
    translator.#server.listen(0, "127.0.0.1");
    await once(translator.#server, "listening");
    return translator;
  }

  /** What a Troupe is given to ask it. */
  get settings() {
    const url = `http://127.0.0.1:${this.#server.address().port}`;
    return { TROUPE_TRANSLATION__PROVIDER: "libretranslate", TROUPE_TRANSLATION__URL: url };
  }

  /** These words, wherever they stand in a text, are those in this language. Other words stay as they are. */
  on(target, words) {
    this.#words.set(target, words);
  }

  /** These lines, where they are whole, are those in this language; `{}` is what was taken out of them. */
  onLines(target, lines) {
    this.#lines.set(target, lines);
  }

  /** Answers nothing until `release()`. */
  hold() {
    this.#isHeld = true;
  }

  release() {
    this.#isHeld = false;
    for (const go of this.#waiting.splice(0)) go();
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request, response) {
    const { q, target } = JSON.parse(Buffer.concat(await request.toArray()).toString());
    if (request.url !== "/translate") return json(response, 404, { error: "no such address" });
    this.calls.push({ q, target });
    if (this.#isHeld) await new Promise((go) => this.#waiting.push(go));
    if (this.refuses) return json(response, 500, { error: "as scripted" });
    const words = Object.entries(this.#words.get(target) ?? {});
    const text = translateLines(q, this.#lines.get(target) ?? {});
    return json(response, 200, { translatedText: words.reduce((said, [from, to]) => said.replaceAll(from, to), text) });
  }
}

function translateLines(text, lines) {
  const translate = (line) => {
    const taken = line.match(/⟦\d+⟧/g) ?? [];
    return lines[line.replace(/⟦\d+⟧/g, "{}")]?.replaceAll("{}", () => taken.shift()) ?? line;
  };
  return text.split("\n").map(translate).join("\n");
}

/** A Troupe of a journey's own whose translator is scripted. */
export async function withTranslator(scene, body) {
  const translator = await ScriptedTranslator.start();
  try {
    await scene.ownStack(translator.settings);
    await body(translator);
  } finally {
    await translator.stop();
  }
}

function json(response, status, body) {
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}
