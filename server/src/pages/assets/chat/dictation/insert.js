// Spoken words among written ones: spaces where the script has them.

/** Scripts without spaces between words, and their marks. */
const UNSPACED = "\\p{scx=Han}\\p{scx=Hiragana}\\p{scx=Katakana}\\p{sc=Thai}\\p{sc=Lao}\\p{sc=Khmer}\\p{sc=Myanmar}\\u3000-\\u303f\\uff00-\\uffef";
const ENDS_CLOSELY = new RegExp(`[\\s(\\[{«“„‘¿¡${UNSPACED}]$`, "u");
const BEGINS_CLOSELY = new RegExp(`^[\\s)\\]}»”’.,;:!?…،؛؟${UNSPACED}]`, "u");

/** One text after the other, with a space between them where one belongs. */
export function joined(one, other) {
  const isClose = !one || !other || ENDS_CLOSELY.test(one) || BEGINS_CLOSELY.test(other);
  return `${one}${isClose ? "" : " "}${other}`;
}

/** A text with words in the middle of it, and the place behind them. */
export function inserted(before, words, after) {
  if (!words) return { text: before + after, caret: before.length };
  const begun = joined(before, words);
  return { text: joined(begun, after), caret: begun.length };
}
