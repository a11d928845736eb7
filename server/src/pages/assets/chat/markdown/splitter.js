// Cuts Markdown that is still being written into blocks, from top to bottom, each line looked at once. A block that is
// closed never changes again; only the open one at the end does. Nothing in this file touches the page.
//
// A block is `{kind, source, joins}`. `joins`: it goes on with the list, table, quote or text of the block before, which
// was cut because it grew long. Kinds: "code" (with `language` and `code`), "plain" (shown as it is written), "list",
// "quote", "table" (`source` begins with the header, whatever was cut), and "text" for all else.

import {
  closes, fenceOf, indentOf, innerFenceOf, interrupts, isBlank, isDelimiterRow, isHeading, isItem, isQuote, isRule,
} from "./lines.js";

/** Lists, tables and quotes are cut at the first chance after so many characters. */
const CUT_AFTER = 1_500;
/** A block that nothing cuts is shown as plain text from here on, in pieces. */
const MAX_BLOCK = 6_000;
const PIECE = 4_000;
/** So many blocks have a form; what comes after them is shown as plain text. */
const MAX_BLOCKS = 1_500;

export function newSplitter() {
  const blocks = [];
  let text = "";
  /** Where the next line begins, and where the open block did. */
  let at = 0;
  let start = 0;
  let kind = null;
  let joins = false;
  let fence = null;
  let innerFence = null;
  let blankBefore = false;
  let header = "";
  let lines = 0;

  function begin(next, from, more = false) {
    kind = next;
    start = from;
    joins = more;
    fence = innerFence = null;
    blankBefore = false;
    lines = 0;
    if (!more) header = "";
  }

  function close(end) {
    if (kind) blocks.push(blockUpTo(end));
    begin(null, end);
  }

  function blockUpTo(end) {
    const source = text.slice(start, end);
    if (kind === "code") return { kind, source, joins, ...codeOf(source, fence) };
    if (kind === "table" && joins) return { kind, source: header + source, joins };
    return { kind: kind === "indented" ? "text" : kind, source, joins };
  }

  function beginWith(line, from) {
    fence = fenceOf(line);
    if (fence) {
      const opened = fence;
      begin("code", from);
      fence = opened;
    } else if (isHeading(line) || isRule(line)) {
      begin("text", from);
      close(from + line.length + 1);
    } else {
      begin(isItem(line) ? "list" : isQuote(line) ? "quote" : indentOf(line) >= 4 ? "indented" : "text", from);
      if (kind === "list" || kind === "quote") innerFence = innerFenceOf(line);
      lines = 1;
    }
  }

  /** Cuts a block that has grown long, where the next one can go on with it. */
  function cut(from) {
    if (from - start < CUT_AFTER) return;
    const [same, head] = [kind, header];
    close(from);
    begin(same, from, true);
    header = head;
  }

  const takers = {
    code: (line, from, end) => fence && closes(line, fence) && close(end),
    plain(line, from) {
      if (isFull()) return;
      if (isBlank(line)) close(from);
      else if (fenceOf(line)) {
        close(from);
        beginWith(line, from);
      }
    },
    list(line, from) {
      if (innerFence) return closesInner(line);
      if (isBlank(line)) return void (blankBefore = true);
      const goesOn = isItem(line) || indentOf(line) >= 2 || (!blankBefore && !interrupts(line));
      if (!goesOn) return restart(line, from);
      if (isItem(line)) cut(from);
      blankBefore = false;
      innerFence = innerFenceOf(line);
      return undefined;
    },
    quote(line, from) {
      if (innerFence && isQuote(line)) return closesInner(line);
      if (isBlank(line)) return close(from);
      if (!isQuote(line) && interrupts(line)) return restart(line, from);
      if (/^ {0,3}>\s*$/.test(line.slice(0, 40))) cut(from);
      innerFence = innerFenceOf(line);
      return undefined;
    },
    table(line, from) {
      if (isBlank(line)) return close(from);
      if (interrupts(line)) return restart(line, from);
      return cut(from);
    },
    indented(line, from) {
      if (!isBlank(line) && indentOf(line) < 4) restart(line, from);
    },
    text(line, from, end) {
      if (isBlank(line)) return close(from);
      if (lines === 1 && isDelimiterRow(line) && text.slice(start, from).includes("|")) {
        kind = "table";
        header = text.slice(start, end);
        return undefined;
      }
      // A line of dashes below a paragraph makes it a heading.
      if (/^ {0,3}-+\s*$/.test(line.slice(0, 200))) return undefined;
      if (interrupts(line)) return restart(line, from);
      lines += 1;
      return undefined;
    },
  };

  function restart(line, from) {
    close(from);
    beginWith(line, from);
  }

  function closesInner(line) {
    const mark = innerFenceOf(line);
    if (mark && mark[0] === innerFence[0] && mark.length >= innerFence.length) innerFence = null;
  }

  const isFull = () => blocks.length >= MAX_BLOCKS;

  function take(line, from, end) {
    if (kind) takers[kind](line, from, end);
    else if (isFull()) begin("plain", from);
    else if (!isBlank(line)) beginWith(line, from);
    else start = end;
  }

  /** What has grown beyond all bounds without an end is cut into pieces, and shown as it is written. */
  function bound(end) {
    if (kind === null || kind === "code" || (kind !== "plain" && end - start <= MAX_BLOCK)) return;
    const more = kind === "plain" ? joins : false;
    kind = "plain";
    joins = more;
    while (end - start > PIECE) {
      const to = pieceEnd(text, start, start + PIECE);
      close(to);
      begin("plain", to, true);
    }
  }

  return {
    blocks,
    /** Takes the whole text so far: what it began with before must still stand. */
    push(whole) {
      text = whole;
      for (let end; (end = text.indexOf("\n", at)) !== -1; at = end + 1) {
        take(text.slice(at, end), at, end + 1);
        bound(end + 1);
      }
      if (kind === null && at < text.length) start = at;
      else bound(text.length);
    },
    /** The block at the end, as if it ended here; null where there is none. */
    open() {
      if (kind === null) return openLine();
      return isBlank(text.slice(start)) ? null : blockUpTo(text.length);
    },
    text: () => text,
  };

  /** A block whose first line is not complete. */
  function openLine() {
    const source = text.slice(start);
    if (isBlank(source)) return null;
    if (source.length > MAX_BLOCK) {
      // From now on it is cut into pieces while it comes.
      begin("plain", start);
      bound(text.length);
      return blockUpTo(text.length);
    }
    const opened = fenceOf(source);
    return opened ? { kind: "code", source, joins: false, language: "", code: "" } : { kind: "text", source, joins: false };
  }
}

/** What stands between the fences. */
function codeOf(source, fence) {
  const first = source.indexOf("\n");
  const body = first === -1 ? "" : source.slice(first + 1);
  const last = body.lastIndexOf("\n", body.length - 2);
  const lastLine = body.slice(last + 1).replace(/\n$/, "");
  const code = fence && closes(lastLine, fence) ? body.slice(0, last + 1) : body;
  return { language: fence?.language ?? "", code: code.replace(/\n$/, "") };
}

/** Where a piece ends: after a space near its end, and never within a pair of surrogates. */
function pieceEnd(text, from, most) {
  const space = text.lastIndexOf(" ", most - 1);
  if (space > from + PIECE / 2) return space + 1;
  const code = text.charCodeAt(most - 1);
  return code >= 0xd800 && code < 0xdc00 ? most - 1 : most;
}
