// Where a spoken sentence stands in a text that is shown. What is said aloud is not what is written: Markdown is rendered,
// code may be left out, white space differs. Nothing in this file touches the page.

const SPACE = /\s/;
const squeezed = (text) => text.replaceAll(/\s+/g, "");

/** The place in `texts` of the letter that is `at` letters, without white space, from their beginning. */
function placeOf(texts, counts, at) {
  let before = 0;
  let index = 0;
  while (index < counts.length - 1 && before + counts[index] <= at) before += counts[index++];
  let offset = 0;
  for (let left = at - before; ; offset += 1) {
    if (SPACE.test(texts[index][offset])) continue;
    if (left === 0) return { index, offset };
    left -= 1;
  }
}

/**
 * Where the sentence of this number stands in `texts`, which are read in order: `{start, end}` of `{index, offset}`, the
 * end behind its last letter. Null where it is not found. The sentences before it are found first, so that one that was
 * said before is not taken for it.
 */
export function findSentence(texts, sentences, number) {
  const parts = texts.map(squeezed);
  const whole = parts.join("");
  const counts = parts.map(({ length }) => length);
  let from = 0;
  for (const { sentence, text } of sentences) {
    const wanted = squeezed(text);
    const at = wanted ? whole.indexOf(wanted, from) : -1;
    if (sentence === number) {
      if (at === -1) return null;
      const last = placeOf(texts, counts, at + wanted.length - 1);
      return { start: placeOf(texts, counts, at), end: { ...last, offset: last.offset + 1 } };
    }
    if (at !== -1) from = at + wanted.length;
  }
  return null;
}

/** The first sentence that is another where only so many code points of the text are still the same. */
export function firstChanged(sentences, kept) {
  const changed = sentences.find(({ end }) => end > kept);
  return changed?.sentence ?? (kept > 0 ? sentences.length + 1 : 1);
}

/** How many code points two texts have in common from their beginning. */
export function commonStart(one, other) {
  let at = 0;
  let count = 0;
  while (at < one.length && one.codePointAt(at) === other.codePointAt(at)) {
    at += one.codePointAt(at) > 0xffff ? 2 : 1;
    count += 1;
  }
  return count;
}
