// The end of a text that is still being written: what is begun and not closed is shown as what it most likely becomes,
// so that marks do not flicker while they come.

const MARKS_ALONE = /(^|\n)[ \t]*(?:[-=*_#>|+~`]+|\d{1,3}[.)]?)[ \t]*$/;
const LOOK = 2_000;

const count = (text, mark) => text.split(mark).length - 1;

/** A block of running text that ends here for now, mended. */
export function mendTail(source) {
  // A line of marks alone may become a list, a rule or a heading: what it is shows with its first letter.
  const settled = source.replace(MARKS_ALONE, "");
  const from = Math.max(settled.lastIndexOf("\n\n"), settled.length - LOOK, 0);
  const last = settled.slice(from);
  if (count(last, "`") % 2 === 1) return `${settled}\``;
  const prose = last.replace(/`[^`]*`/g, "");
  if (count(prose, "**") % 2 === 1) return `${settled.replace(/(?:\*{1,2}|\s)+$/, "")}${/\*\*\s*$/.test(prose) ? "" : "**"}`;
  return settled.replace(/\[[^\]\n]{0,200}(?:\]\([^)\s]{0,500})?$/, (begun) => begun.slice(1).replace(/\]\(.*$/, ""));
}
