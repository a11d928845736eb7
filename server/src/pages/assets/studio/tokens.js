// How many tokens a text is, about: as `shared/core/src/token_estimate.rs` counts them.

/** Too many rather than too few. */
export function estimateTokens(text) {
  let ascii = 0;
  let others = 0;
  for (const letter of text) {
    if (letter.codePointAt(0) < 128) ascii += 1;
    else others += 1;
  }
  return text ? 4 + Math.floor(ascii / 4) + Math.floor((others * 2) / 3) : 0;
}
