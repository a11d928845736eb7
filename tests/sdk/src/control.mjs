// What tests in any language control over HTTP: the scripted model service, and what lies between them and a server.
//
//   POST /gate   {question, chunks, finish?}  the reply to these words, which comes as it is let through
//   POST /pass   {question, chunks?}          lets so many more chunks through, or all that come
//   POST /calls  {question}                   what the service has been asked with these words
//   POST /relay  {faults}                     an address that fails its first calls so (“reset”, or a status), and passes on the others

import { once } from "node:events";
import http from "node:http";

export class Control {
  #servers = [];
  #gates = new Map();

  constructor(stack) {
    this.stack = stack;
  }

  async start() {
    return (this.url = await this.#listen(async (request, response) => {
      const body = JSON.parse(Buffer.concat(await request.toArray()).toString());
      const answer = (await this[request.url.slice(1)](body)) ?? {};
      response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(answer));
    }));
  }

  gate({ question, chunks, finish }) {
    this.#gates.set(question, this.stack.provider.gate(question, chunks, finish));
  }

  pass({ question, chunks }) {
    const gate = this.#gates.get(question);
    chunks ? gate.pass(chunks) : gate.open();
  }

  calls({ question }) {
    return this.stack.provider.calls.filter((call) => call.question === question).map(({ body }) => body);
  }

  async relay({ faults }) {
    const { hostname, port } = new URL(this.stack.api);
    const url = await this.#listen((request, response) => {
      const fault = faults.shift();
      if (fault === "reset") return request.socket.destroy();
      if (fault) return request.resume().on("end", () => response.writeHead(fault).end("<h1>no answer</h1>"));
      const { method, url: path, headers } = request;
      const onward = http.request({ hostname, port, method, path, headers }, (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      });
      onward.on("error", () => response.destroy());
      request.pipe(onward);
    });
    return { url };
  }

  async #listen(answer) {
    const server = http.createServer((request, response) => Promise.resolve(answer(request, response)).catch((error) => response.writeHead(500).end(String(error))));
    this.#servers.push(server.listen(0, "127.0.0.1"));
    await once(server, "listening");
    return `http://127.0.0.1:${server.address().port}`;
  }

  stop() {
    for (const server of this.#servers) {
      server.closeAllConnections();
      server.close();
    }
  }
}
