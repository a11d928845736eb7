// One WebSocket: opened with a ticket, watched while it is open, and given up when it stays silent.

import { Problem, call } from "./api.js";

/** The server pings every 25 s, but a browser's script does not see pings: what is silent this long is asked. */
const SILENCE_MS = 25_000;
const PROBE_MS = 10_000;
/** From the ticket to the hello. A proxy that swallows upgrades leaves a socket connecting for minutes. */
const HELLO_MS = 10_000;

/**
 * Opens a socket. `onFrame` takes its frames, and `onClosed` hears once how it ended: `{problem}` where there was no
 * ticket, else `{code, reason}`, and `greetedFor`, the milliseconds since its hello (null: it never came).
 */
export function openSocket({ after, onFrame, onClosed }) {
  let socket = null;
  let over = false;
  let heardAt = Date.now();
  let greetedAt = 0;
  const timers = new Set();

  function end(how) {
    if (over) return;
    over = true;
    timers.forEach(clearTimeout);
    clearInterval(watch);
    socket?.close();
    onClosed({ ...how, greetedFor: greetedAt ? Date.now() - greetedAt : null });
  }

  function wait(milliseconds, then) {
    timers.add(setTimeout(() => over || then(), milliseconds));
  }

  async function open() {
    const ticket = await call("POST", "/ws-tickets").catch((problem) => problem);
    if (over) return;
    if (ticket instanceof Problem) return end({ problem: ticket });
    const query = after ? `?after=${encodeURIComponent(after)}` : "";
    const address = `${location.origin.replace(/^http/, "ws")}/api/v1/ws${query}`;
    socket = new WebSocket(address, ["troupe.v1", `ticket.${ticket.ticket}`]);
    socket.onmessage = ({ data }) => over || hear(JSON.parse(data));
    socket.onclose = ({ code, reason }) => end({ code, reason });
    wait(HELLO_MS, () => greetedAt || end({ code: 1006, reason: "" }));
  }

  function hear(frame) {
    heardAt = Date.now();
    if (frame.type === "hello") greetedAt ||= heardAt;
    onFrame(frame);
  }

  /** Asks for a sign of life, and ends the socket where none comes: a dead one may look open for minutes. */
  function probe(patience = PROBE_MS) {
    const askedAt = Date.now();
    if (socket?.readyState === WebSocket.OPEN) socket.send('{"type":"ping"}');
    wait(patience, () => heardAt < askedAt && end({ code: 1006, reason: "" }));
  }

  const watch = setInterval(() => greetedAt && Date.now() - heardAt > SILENCE_MS && probe(), SILENCE_MS / 2);
  open();

  return {
    probe,
    /** Closes it without a word to `onClosed`. */
    drop() {
      over = true;
      timers.forEach(clearTimeout);
      clearInterval(watch);
      socket?.close();
    },
  };
}
