// The socket: opened with a ticket, watched, and opened again.

import { Problem, call } from "./api.js";

/** Somewhere from 0.3 s up to a bound that doubles, and is 15 s at most. */
export const backoff = (tries, random = Math.random()) => 300 + random * (Math.min(15_000, 300 * 2 ** tries) - 300);

const QUIET = 25_000;
const AT_LEAST_TRIES = { 1012: 3, 1013: 5 };

/** Seconds that a server which stops asks its clients to wait: each another time, so that not all come at once. */
export function pauseOf(reason) {
  try {
    return JSON.parse(reason).reconnect_after_ms / 1_000 || 0;
  } catch {
    return 0;
  }
}

/** Keeps a socket open. `onStatus` hears "connecting", "live", "waiting" (with the time of the next try) or "stopped". */
export function keepConnected({ newest, onFrame, onStatus }) {
  let socket, timer, tries = 0, run = 0, heard = 0, greeted = 0, status;
  const tell = (name, more) => onStatus((status = { name, ...more }));

  async function open() {
    const mine = ++run;
    clearTimeout(timer);
    socket?.close();
    socket = null;
    heard = Date.now();
    greeted = 0;
    tell("connecting");
    const ticket = await call("POST", "/ws-tickets").catch((problem) => problem);
    if (mine !== run) return;
    if (ticket instanceof Problem) return ticket.status === 401 ? tell("stopped", { why: ticket.message }) : later(ticket.retryAfter);
    const after = newest() ? `?after=${encodeURIComponent(newest())}` : "";
    socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/api/v1/ws${after}`, ["troupe.v1", `ticket.${ticket.ticket}`]);
    socket.onmessage = ({ data }) => mine === run && hear(JSON.parse(data));
    socket.onclose = ({ code, reason }) => mine === run && closed(code, reason);
  }

  function hear(frame) {
    heard = Date.now();
    if (frame.type === "hello" && !greeted) {
      greeted = Date.now();
      tell("live");
    }
    onFrame(frame);
  }

  function closed(code, reason) {
    if (code >= 4500 && code < 5000) return tell("stopped", { why: reason || `code ${code}` });
    if (greeted && Date.now() - greeted > 5_000) tries = 0;
    tries = Math.max(tries, AT_LEAST_TRIES[code] ?? 0);
    later(pauseOf(reason));
  }

  function later(seconds) {
    const pause = Math.max(backoff(++tries), seconds * 1_000);
    timer = setTimeout(open, pause);
    tell("waiting", { until: Date.now() + pause });
  }

  // A dead connection may look open for minutes: what stays quiet is asked, and replaced when it does not answer.
  function probe(patience) {
    const asked = Date.now();
    if (socket?.readyState === WebSocket.OPEN) socket.send('{"type":"ping"}');
    setTimeout(() => heard < asked && status.name !== "waiting" && status.name !== "stopped" && open(), patience);
  }
  setInterval(() => Date.now() - heard > QUIET && probe(10_000), QUIET / 2);
  const wake = () => (status.name === "waiting" ? open() : status.name === "live" && probe(4_000));
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && wake());
  addEventListener("online", () => status.name !== "stopped" && open());
  addEventListener("offline", wake);
  open();
  return open;
}
