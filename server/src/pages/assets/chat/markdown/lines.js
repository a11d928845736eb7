// What a line of Markdown begins, by its first characters. Each pattern looks at a bounded beginning of the line.

const LOOK = 400;

const FENCE = /^( {0,3})(`{3,}|~{3,})(.*)$/;
const HEADING = /^ {0,3}#{1,6}(?:\s|$)/;
const RULE = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const ITEM = /^( {0,3})(?:[-*+]|\d{1,9}[.)])(?:\s|$)/;
const INTERRUPTING_ITEM = /^ {0,3}(?:[-*+]|1[.)])\s+\S/;
const QUOTE = /^ {0,3}>/;
const DELIMITERS = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
const INNER_FENCE = /^(?:[\s>]|[-*+]\s|\d{1,9}[.)]\s)*(`{3,}|~{3,})/;

export const isBlank = (line) => !/\S/.test(line);

/** Columns of the indentation, a tab to the next multiple of four. */
export function indentOf(line) {
  let columns = 0;
  for (const letter of line) {
    if (letter === " ") columns += 1;
    else if (letter === "\t") columns += 4 - (columns % 4);
    else break;
  }
  return columns;
}

/** `{mark, length, language}` of a line that opens a code block. */
export function fenceOf(line) {
  const match = FENCE.exec(line.slice(0, LOOK));
  if (!match) return null;
  const [, , ticks, info] = match;
  // Backticks further on: code within a line.
  if (ticks[0] === "`" && info.includes("`")) return null;
  return { mark: ticks[0], length: ticks.length, language: info.trim().split(/\s+/)[0] };
}

/** Whether a line closes the code block that `fence` opened. */
export function closes(line, { mark, length }) {
  const text = line.trim();
  return text.length >= length && text.length < LOOK && indentOf(line) < 4 && [...text].every((letter) => letter === mark);
}

/** The fence on a line within a list or a quote, behind its marks. */
export const innerFenceOf = (line) => INNER_FENCE.exec(line.slice(0, LOOK))?.[1] ?? null;

export const isHeading = (line) => HEADING.test(line.slice(0, 12));
export const isRule = (line) => line.length < LOOK && RULE.test(line);
export const isItem = (line) => ITEM.test(line.slice(0, 16)) && !isRule(line);
export const isQuote = (line) => QUOTE.test(line.slice(0, 4));
export const isDelimiterRow = (line) => line.length < LOOK && line.includes("-") && DELIMITERS.test(line);

/** Whether a line ends a paragraph above it without a blank line between. */
export const interrupts = (line) =>
  isHeading(line) || isQuote(line) || fenceOf(line) !== null || isRule(line) || INTERRUPTING_ITEM.test(line.slice(0, 16));
