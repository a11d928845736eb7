// What has changed between two texts, word by word. Nothing in this file touches the page.

/** So many comparisons at most; longer texts are compared line by line, and then as a whole. */
const MAX_CELLS = 4_000_000;

const wordsOf = (text) => text.match(/\s+|[\p{L}\p{N}\p{M}]+|[^\s\p{L}\p{N}\p{M}]/gu) ?? [];
const linesOf = (text) => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

/** Pieces in their order, each as `{kind: "same" | "out" | "in", text}`. */
export function diffWords(before, after) {
  for (const pieces of [wordsOf, linesOf]) {
    const found = diff(pieces(before), pieces(after));
    if (found) return found;
  }
  return joined([["out", before], ["in", after]]);
}

/** Null where it would take too long. */
function diff(before, after) {
  const least = Math.min(before.length, after.length);
  let start = 0;
  while (start < least && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < least - start && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  const [out, into] = [before.slice(start, before.length - end), after.slice(start, after.length - end)];
  if (out.length * into.length > MAX_CELLS) return null;
  const same = (texts) => texts.map((text) => ["same", text]);
  return joined([...same(before.slice(0, start)), ...middle(out, into), ...same(end ? before.slice(-end) : [])]);
}

/** By the longest common subsequence. */
function middle(out, into) {
  const width = into.length + 1;
  const lengths = new Uint32Array((out.length + 1) * width);
  for (let i = out.length - 1; i >= 0; i -= 1) {
    for (let j = into.length - 1; j >= 0; j -= 1) {
      const next = (i + 1) * width + j;
      lengths[i * width + j] = out[i] === into[j] ? lengths[next + 1] + 1 : Math.max(lengths[next], lengths[i * width + j + 1]);
    }
  }
  const pieces = [];
  let [i, j] = [0, 0];
  while (i < out.length || j < into.length) {
    if (i < out.length && j < into.length && out[i] === into[j]) {
      pieces.push(["same", out[i]]);
      [i, j] = [i + 1, j + 1];
    } else if (j >= into.length || (i < out.length && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1])) {
      pieces.push(["out", out[i]]);
      i += 1;
    } else {
      pieces.push(["in", into[j]]);
      j += 1;
    }
  }
  return pieces;
}

/** Neighbours of one kind are one. */
function joined(pieces) {
  const found = [];
  for (const [kind, text] of pieces) {
    if (found.at(-1)?.kind === kind) found.at(-1).text += text;
    else if (text) found.push({ kind, text });
  }
  return found;
}
