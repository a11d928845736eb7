// Words and letters.

/** A whole sentence, with its capital and its full stop. */
export const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? "" : ".");

export const keepCodePoints = (text, keep) => Array.from(text).slice(0, keep).join("");

/** What a conversation is called after its first message. */
export const titleOf = (content) => {
  const line = content.trim().split("\n")[0];
  // Never half of a pair of surrogates: the server refuses such JSON.
  const start = keepCodePoints(line, 60);
  return start === line ? line : `${start.replace(/\s+\S*$/, "")}…`;
};
