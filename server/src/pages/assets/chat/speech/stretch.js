// Speech that is faster or slower, at its own pitch. A source of Web Audio that is played faster sounds like a mouse, and
// an element that keeps the pitch (<audio>) cannot be begun at a sample. So segments of the sound are laid over each
// other, each shifted to where it goes on best with what stands before it (WSOLA).

const HOP_S = 0.03;
const OVERLAP_S = 0.01;
const SEARCH_S = 0.01;
/** Every so many samples are compared: speech has little above the frequency that this is good for. */
const STEP = 4;

/** How well `input` at `at` continues what `output` has at `end`. */
function likeness(output, end, input, at, overlap) {
  let product = 0;
  let energy = 1e-9;
  for (let i = 0; i < overlap; i += STEP) {
    product += output[end + i] * input[at + i];
    energy += input[at + i] ** 2;
  }
  return product / Math.sqrt(energy);
}

function bestStart(output, end, input, wanted, { overlap, search, last }) {
  const from = Math.max(0, wanted - search);
  const to = Math.min(last, wanted + search);
  let best = Math.min(wanted, last);
  let bestLikeness = -Infinity;
  for (let at = from; at <= to; at += STEP) {
    const like = likeness(output, end, input, at, overlap);
    if (like > bestLikeness) [best, bestLikeness] = [at, like];
  }
  return best;
}

/** Samples that last `1 / speed` as long, of a mono sound. */
export function stretch(input, speed, sampleRate) {
  const hop = Math.round(HOP_S * sampleRate);
  const overlap = Math.round(OVERLAP_S * sampleRate);
  const search = Math.round(SEARCH_S * sampleRate);
  const segment = hop + overlap;
  const last = input.length - segment;
  if (speed === 1 || last <= 0) return input;
  const output = new Float32Array(Math.ceil(input.length / speed) + 2 * segment);
  output.set(input.subarray(0, segment));
  let end = hop;
  for (let wanted = 0; wanted < last;) {
    wanted = Math.min(last, Math.round(end * speed));
    // The very end is what a sentence ends with.
    const at = wanted === last ? last : bestStart(output, end, input, wanted, { overlap, search, last });
    for (let i = 0; i < overlap; i += 1) {
      const share = i / overlap;
      output[end + i] = output[end + i] * (1 - share) + input[at + i] * share;
    }
    output.set(input.subarray(at + overlap, at + segment), end + overlap);
    end += hop;
  }
  return output.subarray(0, end + overlap);
}

/** A buffer of Web Audio that lasts `1 / speed` as long. */
export function stretchBuffer(context, buffer, speed) {
  if (speed === 1) return buffer;
  const { sampleRate } = buffer;
  const samples = stretch(buffer.getChannelData(0), speed, sampleRate);
  const made = context.createBuffer(1, samples.length, sampleRate);
  made.copyToChannel(samples, 0);
  return made;
}
