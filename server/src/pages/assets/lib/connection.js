// The live connection: a WebSocket that is opened again whenever it ends, and plain HTTP where none can be opened.

import { followOverHttp } from "./http_fallback.js";
import { openSocket } from "./socket.js";

/** Somewhere from 0.3 s up to a bound that doubles, and is 15 s at most. */
export const backoff = (tries, random = Math.random()) => 300 + random * (Math.min(15_000, 300 * 2 ** tries) - 300);

/** Between tries of a socket while plain HTTP does its work: from 10 s up to 2 min. */
export const blockedBackoff = (tries, random = Math.random()) =>
  Math.min(120_000, 10_000 * 2 ** Math.max(0, tries - BLOCKED_AFTER)) * (0.75 + random / 2);

/** So many sockets fail without a word, while calls are answered, before WebSockets count as blocked. */
const BLOCKED_AFTER = 3;
/** Close codes that ask for patience. */
const LEAST_TRIES = { 1012: 3, 1013: 5 };
/** A socket that lived so long was no failure. */
const SETTLED_MS = 5_000;

/** Seconds that a server which stops asks its clients to wait: each another time, so that not all come at once. */
export function pauseOf(reason) {
  try {
    return JSON.parse(reason).reconnect_after_ms / 1_000 || 0;
  } catch {
    return 0;
  }
}

/** Whether a socket's end looks like something that lets no WebSocket through: no ticket refused, no hello, no code. */
export const looksBlocked = ({ problem, code, greetedFor }) => !problem && greetedFor === null && code === 1006;

/**
 * Keeps the page up to date until it is left; returns what tries again at once.
 *
 * `newest()` is the id of the newest message that is known, `openRequests()` lists requests that have not ended, as
 * `{id, cursor}`, the most wanted first. `onFrame` takes the server's frames, `onRequest` a request that was polled,
 * and `onSync` reads lists and messages again where no frame tells of changes; it returns a promise. `onStatus` hears
 * `{name: "connecting"}`, `{name: "live", over: "socket" | "http"}`, `{name: "waiting", until}` or `{name: "stopped", why}`.
 */
export function keepConnected({ newest, openRequests = () => [], onFrame, onRequest, onSync = async () => {}, onStatus }) {
  let socket = null;
  let fallback = null;
  let timer = 0;
  let tries = 0;
  let blocked = 0;
  let status;

  function tell(next) {
    if (next.name === status?.name && next.over === status.over && next.name !== "waiting") return;
    status = next;
    onStatus(next);
  }

  function open() {
    clearTimeout(timer);
    socket?.drop();
    if (!fallback) tell({ name: "connecting" });
    socket = openSocket({ after: newest(), onFrame: hear, onClosed: closed });
  }

  function hear(frame) {
    if (frame.type === "hello") {
      blocked = 0;
      fallback?.stop();
      fallback = null;
      tell({ name: "live", over: "socket" });
    }
    onFrame(frame);
  }

  function closed(end) {
    socket = null;
    const { problem, code, reason, greetedFor } = end;
    if (problem?.status === 401) return stop(problem.message);
    if (code >= 4500 && code < 5000) return stop(reason || String(code));
    if (greetedFor > SETTLED_MS) tries = 0;
    if (looksBlocked(end)) blocked += 1;
    if (blocked >= BLOCKED_AFTER) {
      fallback ??= followOverHttp({ openRequests, onFrame, onRequest, onSync, onHealth });
    }
    tries = Math.max(tries + 1, LEAST_TRIES[code] ?? 0);
    later(problem ? problem.retryAfter : pauseOf(reason));
  }

  function later(seconds) {
    const pause = Math.max(fallback ? blockedBackoff(blocked) : backoff(tries), seconds * 1_000);
    clearTimeout(timer);
    timer = setTimeout(open, pause);
    if (!fallback) tell({ name: "waiting", until: Date.now() + pause });
  }

  function onHealth(answers, problem) {
    if (problem?.status === 401) stop(problem.message);
    else tell(answers ? { name: "live", over: "http" } : { name: "waiting", until: 0 });
  }

  function stop(why) {
    clearTimeout(timer);
    socket?.drop();
    fallback?.stop();
    socket = fallback = null;
    tell({ name: "stopped", why });
  }

  function wake() {
    if (status.name === "live" && socket) socket.probe(4_000);
    else if (status.name === "waiting" && !fallback) open();
  }

  document.addEventListener("visibilitychange", () => document.hidden || wake());
  addEventListener("offline", () => (fallback ? fallback.sync() : wake()));
  addEventListener("online", () => {
    fallback?.sync();
    if (status.name !== "stopped") open();
  });
  open();
  return () => {
    fallback?.sync();
    open();
  };
}
