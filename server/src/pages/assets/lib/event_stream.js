// Server-Sent Events over `fetch`: unlike `EventSource`, it tells a refusal from silence, and silence from an end.

/** How long a stream may send nothing, not even the server's comments, which come every 15 s. */
const SILENCE_MS = 20_000;

/** Nothing came through: something between here and the server holds the stream back. */
export class SilentStream extends Error {}

/** Splits the text of a stream into the data of its events; `rest` is the begun event at its end. */
export function parseEvents(text) {
  const blocks = text.replaceAll("\r\n", "\n").split("\n\n");
  const rest = blocks.pop();
  const data = blocks.map((block) => block.split("\n").filter((line) => line.startsWith("data:"))
    .map((line) => line.slice(5).replace(/^ /, "")).join("\n"));
  return { events: data.filter(Boolean), rest };
}

/** The events of a stream, each as its JSON. Ends with the stream; 204 is a stream without events. */
export async function* readEvents(path, signal) {
  const watch = new AbortController();
  const silence = watchSilence(watch);
  try {
    const headers = { Accept: "text/event-stream" };
    const response = await fetch(path, { headers, signal: AbortSignal.any([signal, watch.signal]) });
    const { status } = response;
    if (!response.ok) throw Object.assign(new Error(`the stream was refused: ${status}`), { status });
    if (status === 204) return;
    let text = "";
    for await (const chunk of chunksOf(response.body.pipeThrough(new TextDecoderStream()))) {
      silence.restart();
      const { events, rest } = parseEvents(text + chunk);
      text = rest;
      for (const data of events) yield JSON.parse(data);
    }
  } catch (error) {
    throw watch.signal.aborted ? new SilentStream() : error;
  } finally {
    silence.stop();
    // A reader that leaves early must not leave the response open.
    watch.abort();
  }
}

function watchSilence(controller) {
  let timer;
  const stop = () => clearTimeout(timer);
  const restart = () => {
    stop();
    timer = setTimeout(() => controller.abort(), SILENCE_MS);
  };
  restart();
  return { restart, stop };
}

/** Safari has no asynchronous iteration of streams. */
async function* chunksOf(stream) {
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}
