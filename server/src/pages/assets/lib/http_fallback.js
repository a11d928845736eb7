// Live updates over plain HTTP, for networks that block WebSockets: each open request is followed by Server-Sent
// Events, or by long-polling where a proxy holds streams back, and the lists are read again every few seconds.

import { Problem, call } from "./api.js";
import { SilentStream, readEvents } from "./event_stream.js";
import { onTab, tellTabs } from "./tabs.js";

/** Over HTTP/1.1 a browser opens six connections to a host; other calls and tabs need some of them. */
const MAX_FOLLOWED = 2;
const LOOK_MS = 1_000;
const SYNC_MS = 8_000;
const SYNC_HIDDEN_MS = 60_000;
const RETRY_STREAMS_MS = 5 * 60_000;
const POLL_SECONDS = 25;

const FINAL = new Set(["reply.completed", "request.failed", "request.cancelled"]);

/**
 * Follows what `openRequests()` lists (`{id, cursor}`), until stopped. `onFrame` takes events as a socket's, `onRequest`
 * a polled request, `onSync` reads the lists again. `onHealth` hears whether the server answered.
 */
export function followOverHttp({ openRequests, onFrame, onRequest, onSync, onHealth }) {
  const followed = new Map();
  const gone = new Set();
  let streamsBlockedUntil = 0;
  let stopped = false;
  let syncTimer = 0;

  function look() {
    if (document.hidden) return;
    for (const { id } of openRequests()) {
      if (followed.size >= MAX_FOLLOWED) return;
      if (!followed.has(id) && !gone.has(id)) follow(id);
    }
  }

  async function follow(id) {
    const controller = new AbortController();
    followed.set(id, controller);
    try {
      const ended = Date.now() < streamsBlockedUntil ? await poll(id) : await stream(id, controller.signal);
      if (ended) gone.add(id);
    } catch (error) {
      if (error instanceof SilentStream) streamsBlockedUntil = Date.now() + RETRY_STREAMS_MS;
      else if (error.status === 404) gone.add(id);
      else if (!controller.signal.aborted) await pause();
    } finally {
      followed.delete(id);
    }
  }

  async function stream(id, signal) {
    const cursor = openRequests().find((request) => request.id === id)?.cursor;
    const after = cursor && cursor !== "0-0" ? `?after=${cursor}` : "";
    for await (const frame of readEvents(`/api/v1/requests/${id}/events${after}`, signal)) {
      if (stopped) return false;
      onFrame(frame);
      // Other tabs have no connections left for streams of their own.
      tellTabs("frame", frame);
      if (FINAL.has(frame.type)) return true;
    }
    // An end without a terminal event: the request says how it stands.
    return poll(id, 0);
  }

  async function poll(id, seconds = POLL_SECONDS) {
    const request = await call("GET", `/requests/${id}?wait=${seconds}`, { patience: (seconds + 15) * 1_000 });
    if (stopped) return false;
    onRequest(request);
    return Boolean(request.finished_at);
  }

  async function sync() {
    clearTimeout(syncTimer);
    try {
      await onSync();
      if (!stopped) onHealth(true);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (!stopped) onHealth(problem.status !== 0, problem);
    } finally {
      if (!stopped) syncTimer = setTimeout(sync, document.hidden ? SYNC_HIDDEN_MS : SYNC_MS * (0.8 + Math.random() * 0.4));
    }
  }

  const lookTimer = setInterval(look, LOOK_MS);
  const wake = () => !document.hidden && sync();
  document.addEventListener("visibilitychange", wake);
  const unlisten = onTab("frame", onFrame);
  sync();

  return {
    sync,
    stop() {
      stopped = true;
      clearInterval(lookTimer);
      clearTimeout(syncTimer);
      document.removeEventListener("visibilitychange", wake);
      unlisten();
      followed.forEach((controller) => controller.abort());
    },
  };
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 1_000 + Math.random() * 2_000));
