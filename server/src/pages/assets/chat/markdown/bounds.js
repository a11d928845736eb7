// What of a block is left to the Markdown parser. Its time grows with the square of some inputs, and its stack with
// their nesting: what could stall the page is shown as it is written.

/** Marks times length: about 10 ms on a slow machine at worst. */
const MAX_WORK = 400_000;
const MAX_NESTING = 12;
const MARKS = /[*_~`@\\$]+|[[\]<]/g;
const NESTING = /^(?:[ \t]*(?:[-*+>]|\d{1,9}[.)]))+/;

/** Whether the parser gets a block. */
export function isParsable(source) {
  const marks = source.match(MARKS)?.length ?? 0;
  return marks * source.length <= MAX_WORK && nestingOf(source) <= MAX_NESTING;
}

/** How deep lists and quotes of a block are nested, as far as its lines show. */
export function nestingOf(source) {
  let deepest = 0;
  for (const line of source.split("\n")) {
    const marks = NESTING.exec(line.slice(0, 400))?.[0] ?? "";
    const depth = (marks.match(/[-*+>]|\d+[.)]/g)?.length ?? 0) + Math.floor(line.search(/\S|$/) / 2);
    deepest = Math.max(deepest, marks ? depth : 0);
  }
  return deepest;
}
