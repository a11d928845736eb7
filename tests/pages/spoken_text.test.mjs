// Where the sentence that is spoken stands in what is shown of a reply.

import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./modules.mjs";

const { commonStart, findSentence, firstChanged } = await load("chat/speech/find.js");

const spoken = (...texts) => texts.map((text, at) => ({ sentence: at + 1, text }));

/** The texts with the sentence of this number in brackets. */
function marked(texts, sentences, number) {
  const found = findSentence(texts, sentences, number);
  if (!found) return null;
  const { start, end } = found;
  return texts.map((text, at) => {
    const [from, to] = [at === start.index ? start.offset : 0, at === end.index ? end.offset : text.length];
    return at < start.index || at > end.index ? text : `${text.slice(0, from)}[${text.slice(from, to)}]${text.slice(to)}`;
  }).join("|");
}

test("a sentence is found in one text", () => {
  const sentences = spoken("Good morning.", "The sea is calm.");
  assert.equal(marked(["Good morning. The sea is calm."], sentences, 1), "[Good morning.] The sea is calm.");
  assert.equal(marked(["Good morning. The sea is calm."], sentences, 2), "Good morning. [The sea is calm.]");
});

test("and in several, as Markdown cuts it", () => {
  const texts = ["The ", "sea", " is\n ", "  calm. And", " blue."];
  assert.equal(marked(texts, spoken("The sea is calm.", "And blue."), 1), "[The ]|[sea]|[ is\n ]|[  calm.] And| blue.");
  assert.equal(marked(texts, spoken("The sea is calm.", "And blue."), 2), "The |sea| is\n |  calm. [And]|[ blue.]");
});

test("white space does not matter, nor do texts of nothing else", () => {
  assert.equal(marked([" \n", "One\u00a0 two", "\n", "three"], spoken("One two three"), 1), " \n|[One\u00a0 two]|[\n]|[three]");
  assert.equal(marked(["اليوم جميل.", " وغدًا؟"], spoken("اليوم  جميل.", "وغدًا؟"), 2), "اليوم جميل.| [وغدًا؟]");
});

test("a sentence that is said twice is found where it is said", () => {
  const texts = ["No. Yes. No. No."];
  const sentences = spoken("No.", "Yes.", "No.", "No.");
  assert.equal(marked(texts, sentences, 3), "No. Yes. [No.] No.");
  assert.equal(marked(texts, sentences, 4), "No. Yes. No. [No.]");
});

test("what is not in the text is not marked, and does not hide what follows it", () => {
  const sentences = spoken("Code follows.", "A block of code.", "That was it.");
  const texts = ["Code follows.", "let x = 1;", "That was it."];
  assert.equal(marked(texts, sentences, 2), null);
  assert.equal(marked(texts, sentences, 3), "Code follows.|let x = 1;|[That was it.]");
  assert.equal(marked(texts, sentences, 4), null);
  assert.equal(marked([], sentences, 1), null);
  assert.equal(marked(["Text"], spoken("  "), 1), null);
});

test("letters outside the first plane are whole", () => {
  assert.equal(marked(["Hi 🐦. ", "Bye 🐢."], spoken("Hi 🐦.", "Bye 🐢."), 2), "Hi 🐦. |[Bye 🐢.]");
  assert.equal(commonStart("🐦🐢x", "🐦🐢y"), 2);
  assert.equal(commonStart("🐦", "🐢"), 0);
  assert.equal(commonStart("", "a"), 0);
});

test("a text that has changed is another from the sentence with the change on", () => {
  const sentences = [{ sentence: 1, end: 5 }, { sentence: 2, end: 12 }, { sentence: 3, end: 20 }];
  assert.equal(firstChanged(sentences, 0), 1);
  assert.equal(firstChanged(sentences, 5), 2);
  assert.equal(firstChanged(sentences, 11), 2);
  assert.equal(firstChanged(sentences, 30), 4);
  assert.equal(firstChanged([], 3), 1);
});
