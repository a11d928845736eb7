// Replies that are spoken: sentence after sentence without gaps, no more fetched than is needed, and silence at once.

import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./modules.mjs";
import { addAllTexts } from "./texts.mjs";

const { newPlayer } = await load("chat/speech/player.js");
const { newClips } = await load("chat/speech/clips.js");
const { newSentences } = await load("chat/speech/sentences.js");
const { readSettings } = await load("chat/speech/settings.js");
const { stretch } = await load("chat/speech/stretch.js");
await addAllTexts("en");

/** Lets everything run that waits for nothing but promises. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Web Audio whose clock is moved by hand: what ends on the way says so. */
function fakeContext() {
  const sources = [];
  return {
    sources, currentTime: 0, state: "running", destination: "loudspeaker", gains: [],
    createGain() {
      const gain = { gain: { value: 1 }, connect() {} };
      this.gains.push(gain);
      return gain;
    },
    createBufferSource() {
      const source = {
        connect() {}, disconnect() {}, isStopped: false,
        start(at) {
          Object.assign(source, { at, ends: at + source.buffer.duration });
        },
        stop() {
          source.isStopped = true;
        },
      };
      sources.push(source);
      return source;
    },
    decodeAudioData: async (sound) => ({ duration: sound.seconds, text: sound.text }),
    async advance(seconds) {
      const until = this.currentTime + seconds;
      for (;;) {
        const next = sources.filter(({ hasEnded, isStopped, ends }) => !hasEnded && !isStopped && ends <= until).sort((a, b) => a.ends - b.ends)[0];
        if (!next) break;
        this.currentTime = next.ends;
        next.hasEnded = true;
        next.onended?.();
        await turn();
      }
      this.currentTime = until;
    },
    live: () => sources.filter(({ isStopped, hasEnded }) => !isStopped && !hasEnded),
  };
}

/** A player over replies of these lengths of sentences in seconds; a number that is not there is waited for. */
function scene(replies) {
  const context = fakeContext();
  const states = [];
  const asked = [];
  const waiting = [];
  const clip = (id, number, signal) => {
    asked.push(`${id} ${number}`);
    const answer = () => {
      const seconds = replies[id][number - 1];
      if (seconds instanceof Error) throw seconds;
      return seconds === undefined ? null : { seconds, text: `${id} ${number}` };
    };
    if (replies[id].isOpen && number > replies[id].length) {
      return new Promise((resolve, reject) => {
        waiting.push(() => resolve(answer()));
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    }
    return new Promise((resolve) => resolve(answer()));
  };
  const player = newPlayer({
    clip, newContext: () => context, onChange: (state) => states.push(state),
    stretch: (_, buffer, speed) => ({ ...buffer, duration: buffer.duration / speed }),
  });
  const last = () => states.at(-1);
  return { context, player, states, last, asked, more: () => waiting.splice(0).forEach((give) => give()) };
}

const isClose = (one, other) => assert.ok(Math.abs(one - other) < 1e-9, `${one} is not ${other}`);

test("each sentence begins with the sample at which the one before it ends", async () => {
  const { context, player, last } = scene({ r: [1.25, 2, 0.5] });
  player.play("r");
  await turn();
  const [one, two, three] = context.sources;
  assert.ok(one.at > 0 && one.at < 0.2, "soon, and not in the past");
  isClose(two.at, one.at + 1.25);
  isClose(three.at, two.at + 2);
  await context.advance(0.5);
  assert.deepEqual([last().status, last().sentence, last().heard], ["playing", 1, 0]);
  await context.advance(1);
  assert.deepEqual([last().sentence, last().heard], [2, 1]);
  await context.advance(3);
  assert.deepEqual([last().status, last().sentence, last().heard], ["ended", null, 3]);
  assert.equal(player.id(), null);
});

test("at most two sentences are fetched beyond the one that is spoken", async () => {
  const { context, player, asked } = scene({ r: [1, 1, 1, 1, 1, 1] });
  player.play("r");
  await turn();
  assert.deepEqual(asked, ["r 1", "r 2", "r 3"]);
  await context.advance(1.1);
  assert.deepEqual(asked.at(-1), "r 4");
  assert.equal(context.live().length, 3);
  await context.advance(1);
  assert.deepEqual(asked.at(-1), "r 5");
});

test("a sentence that is written later begins when it is there, and the pause before it has none", async () => {
  const replies = { r: Object.assign([1], { isOpen: true }) };
  const { context, player, last, more } = scene(replies);
  player.play("r");
  await turn();
  await context.advance(3);
  assert.deepEqual([last().status, last().sentence, last().heard], ["playing", null, 1]);
  replies.r.push(2);
  more();
  await turn();
  assert.ok(context.sources[1].at >= 3, "not in the past");
  assert.equal(last().sentence, 2);
  replies.r.isOpen = false;
  more();
  await turn();
  await context.advance(3);
  assert.deepEqual([last().status, last().heard], ["ended", 2]);
});

test("a stop is silence at once, and says how much was heard in full", async () => {
  const { context, player, last, asked } = scene({ r: [1, 1, 1, 1] });
  player.play("r");
  await turn();
  await context.advance(2.5);
  assert.deepEqual(player.stop(), { id: "r", heard: 2, hasBegun: true });
  assert.deepEqual(context.live(), []);
  assert.equal(last().status, "stopped");
  const before = asked.length;
  await context.advance(5);
  await turn();
  assert.equal(asked.length, before);
  assert.equal(player.stop(), null);
});

test("what was stopped before its first sound has not begun, and its sound is dropped when it comes", async () => {
  const replies = { r: Object.assign([], { isOpen: true }) };
  const { context, player, last, more } = scene(replies);
  player.play("r");
  await turn();
  assert.equal(last().status, "loading");
  assert.deepEqual(player.stop(), { id: "r", heard: 0, hasBegun: false });
  replies.r.push(1);
  more();
  await turn();
  assert.deepEqual(context.sources, []);
});

test("only one reply is spoken at a time", async () => {
  const { context, player, states } = scene({ one: [1, 1], other: [1] });
  player.play("one");
  await turn();
  player.play("other");
  await turn();
  assert.deepEqual(context.live().map(({ buffer }) => buffer.text), ["other 1"]);
  assert.deepEqual(states.filter(({ status }) => status === "stopped").map(({ id }) => id), ["one"]);
});

test("a reply that begins anew is spoken anew", async () => {
  const replies = { r: [1, 1, 1] };
  const { context, player, last, asked } = scene(replies);
  player.play("r");
  await turn();
  await context.advance(1.5);
  asked.length = 0;
  player.rewind(1);
  assert.deepEqual(context.live(), []);
  await turn();
  assert.deepEqual(asked, ["r 1", "r 2", "r 3"]);
  assert.deepEqual([last().sentence, last().heard], [1, 0]);
  assert.ok(context.live()[0].at > 1.5);
  await context.advance(10);
  assert.deepEqual([last().status, last().heard], ["ended", 3]);
});

test("a reply that is another from a later sentence on goes on speaking what stays", async () => {
  const { context, player, last, asked } = scene({ r: [1, 1, 1, 1, 1] });
  player.play("r");
  await turn();
  await context.advance(1.5);
  asked.length = 0;
  player.rewind(3);
  await turn();
  assert.deepEqual(asked, ["r 3", "r 4"]);
  assert.deepEqual([last().sentence, last().heard], [2, 1]);
  const [second, third] = context.live();
  isClose(third.at, second.ends);
  player.rewind(9);
  await turn();
  assert.equal(asked.length, 2, "what is not spoken yet is no news");
});

test("without a voice, what is there is spoken to its end, and then it has failed", async () => {
  const problem = new Error("no engine");
  const { context, player, last } = scene({ r: [1, problem] });
  player.play("r");
  await turn();
  assert.equal(last().status, "playing");
  await context.advance(2);
  assert.deepEqual([last().status, last().problem, last().heard], ["failed", problem, 1]);
  assert.equal(player.id(), null);
});

test("another speed counts from the next sentence on, still without a gap", async () => {
  const { context, player } = scene({ r: [1, 1, 1] });
  player.play("r");
  await turn();
  await context.advance(0.5);
  player.setSpeed(1.25);
  const [first, second, third] = context.live();
  isClose(first.buffer.duration, 1);
  isClose(second.buffer.duration, 0.8);
  isClose(second.at, first.ends);
  isClose(third.at, second.ends);
});

test("muted, it goes on without a sound", async () => {
  const { context, player, last } = scene({ r: [1] });
  player.setMuted(true);
  player.play("r");
  await turn();
  assert.equal(context.gains[0].gain.value, 0);
  player.setMuted(false);
  assert.equal(context.gains[0].gain.value, 1);
  await context.advance(2);
  assert.equal(last().status, "ended");
});

// ── Fetching

const answer = (status, { headers = {}, body = {} } = {}) => ({
  status, ok: status >= 200 && status < 300, headers: new Headers(headers), arrayBuffer: async () => `sound ${status}`, json: async () => body,
});

function clipsOf(...answers) {
  const waits = [];
  const asked = [];
  const fetch = async (path, options) => {
    asked.push({ path, ...options });
    const next = answers.shift();
    if (next instanceof Error) throw next;
    return next;
  };
  const clip = newClips({ fetch, wait: async (ms) => waits.push(ms) });
  return { clip, waits, asked, signal: new AbortController().signal };
}

test("what is not there yet is asked for again, when the server says", async () => {
  const later = () => answer(202, { headers: { "Retry-After": "3" } });
  const { clip, waits, asked, signal } = clipsOf(...Array.from({ length: 8 }, later), answer(200));
  assert.equal(await clip("r", 2, signal), "sound 200");
  assert.deepEqual(waits, Array(8).fill(3_000));
  assert.equal(asked[0].path, "/api/v1/requests/r/speech/2?wait=20");
  assert.equal(asked[0].cache, "no-cache");
});

test("a reply that has ended has no more sentences", async () => {
  const { clip, signal } = clipsOf(answer(204));
  assert.equal(await clip("r", 9, signal), null);
});

test("a whole reply is asked for without a number, as long as it takes", async () => {
  const { clip, asked } = clipsOf(answer(202), answer(200));
  assert.equal(await clip("r"), "sound 200");
  assert.deepEqual(asked.map(({ path }) => path), Array(2).fill("/api/v1/requests/r/speech?wait=20"));
});

test("failures that pass are tried again with a growing pause, but not for ever", async () => {
  const lost = new TypeError("no network");
  const passing = clipsOf(lost, answer(502), answer(503, { body: { code: "unavailable" } }), answer(429, { headers: { "Retry-After": "2" } }), answer(200));
  assert.equal(await passing.clip("r", 1, passing.signal), "sound 200");
  assert.deepEqual(passing.waits, [500, 1_000, 2_000, 2_000]);
  const lasting = clipsOf(...Array(20).fill(lost));
  await assert.rejects(lasting.clip("r", 1, lasting.signal), { code: "speech_unavailable" });
  assert.equal(lasting.asked.length, 6);
});

test("where no engine can speak, or there is no such request, it gives up at once", async () => {
  for (const [status, code] of [[503, "speech_unavailable"], [503, "no_voice"], [404, "not_found"], [401, "unauthenticated"]]) {
    const { clip, asked, signal } = clipsOf(answer(status, { body: { code } }));
    await assert.rejects(clip("r", 1, signal), { status, code });
    assert.equal(asked.length, 1);
  }
});

test("what is no more wanted is not asked for again", async () => {
  const controller = new AbortController();
  let asked = 0;
  const fetch = async () => (asked++, answer(202));
  const clip = newClips({ fetch, wait: async () => controller.abort() });
  await assert.rejects(clip("r", 1, controller.signal), { name: "AbortError" });
  assert.equal(asked, 1);
});

test("sentences are followed until the reply is whole, and anew for another one", async () => {
  const one = { sentence: 1, start: 0, end: 3, text: "One" };
  const two = { sentence: 2, start: 4, end: 7, text: "Two" };
  const answers = [{ whole: false, sentences: [one] }, { whole: true, sentences: [one, two] }, { whole: true, sentences: [] }];
  const asked = [];
  const call = async (method, path) => (asked.push(`${method} ${path}`), answers.shift());
  let news = 0;
  const sentences = newSentences({ call, onSentences: () => (news += 1) });
  sentences.follow("r");
  await turn();
  assert.deepEqual(asked, ["GET /requests/r/sentences?wait=20&after=0", "GET /requests/r/sentences?wait=20&after=1"]);
  assert.deepEqual([sentences.all(), news], [[one, two], 2]);
  sentences.follow("other");
  assert.deepEqual(sentences.all(), []);
  await turn();
  assert.equal(asked.at(-1), "GET /requests/other/sentences?wait=20&after=0");
});

// ── Speed

const RATE = 24_000;
const tone = (seconds, hertz) => Float32Array.from({ length: seconds * RATE }, (_, at) => Math.sin((2 * Math.PI * hertz * at) / RATE));
const crossings = (samples) => samples.reduce((count, sample, at) => count + (at > 0 && samples[at - 1] < 0 && sample >= 0), 0);

test("faster or slower speech keeps its pitch and its loudness", () => {
  const sound = tone(2, 220);
  for (const speed of [0.75, 1.25, 1.5]) {
    const made = stretch(sound, speed, RATE);
    const seconds = made.length / RATE;
    assert.ok(Math.abs(seconds - 2 / speed) < 0.06, `${speed}: ${seconds} s`);
    assert.ok(Math.abs(crossings(made) / seconds - 220) < 5, `${speed}: ${crossings(made) / seconds} Hz`);
    assert.ok(made.every((sample) => Math.abs(sample) <= 1.001));
    assert.deepEqual(made.slice(-100), sound.slice(-100), "to the very end");
    const power = made.reduce((sum, sample) => sum + sample ** 2, 0) / made.length;
    assert.ok(power > 0.4 && power < 0.55, `${speed}: ${power}`);
  }
});

test("at its own speed a sound stays as it is, and so does one too short to be cut", () => {
  const sound = tone(1, 220);
  assert.equal(stretch(sound, 1, RATE), sound);
  const short = tone(0.02, 220);
  assert.equal(stretch(short, 1.5, RATE), short);
});

test("settings that are none of ours are as if there were none", () => {
  const kept = (value) => readSettings({ getItem: () => value });
  const usual = { isOn: false, isMuted: false, speed: 1 };
  for (const value of [null, "", "{", "7", '{"speed":9,"isOn":"yes"}']) assert.deepEqual(kept(value), usual);
  assert.deepEqual(kept('{"speed":1.25,"isOn":true,"isMuted":true}'), { isOn: true, isMuted: true, speed: 1.25 });
});
