//! Prompts for very small models: some hundred million parameters follow no instructions and read no long text, but
//! they continue what has begun.
//!
//! So the persona's passages become earlier turns of the conversation, in the persona's own words, and the best of them
//! begins the reply, which the model completes. docs/LOCAL.md has what was tried, and how it was judged.

use std::collections::HashSet;

use async_trait::async_trait;
use futures::{StreamExt, future::ready, stream};

use super::{
    chat_model::{Call, ChatModel, Chunk, Chunks, FinishReason},
    failure::Failure,
    prompt::{Prompt, PromptMessage, Speaker},
};

/// Of the persona's description: its first sentences say who it is.
const MAX_SYSTEM_CHARS: usize = 400;
const MAX_PASSAGES: usize = 3;
const MAX_PASSAGE_CHARS: usize = 500;
/// Messages before the question, where there is no passage to begin with: beside one they only confuse.
const MAX_EARLIER_MESSAGES: usize = 2;
const MAX_EARLIER_CHARS: usize = 300;
/// With fewer words a reply has not begun.
const MIN_PREFILL_WORDS: usize = 30;
const MAX_TEMPERATURE: f32 = 0.2;
const MAX_REPLY_TOKENS: u32 = 80;
/// Of the model's own.
const MAX_SENTENCES: usize = 2;
const MAX_SENTENCES_AFTER_PASSAGE: usize = 1;
const MAX_SHORT_WORD_CHARS: usize = 3;
const ENDS: [char; 4] = ['.', '!', '?', '…'];
/// Stands before a passage that answers no question.
const QUESTION_OF_TEXT: &str = "What do you know about that?";

/// A model that gets short prompts, and is interrupted soon.
pub(crate) struct SmallModel(pub(crate) Box<dyn ChatModel>);

#[async_trait]
impl ChatModel for SmallModel {
    async fn stream(&self, call: Call<'_>) -> Result<Chunks, Failure> {
        let prompt = shorten(call.prompt);
        // Where it continues another service, the reply has begun.
        let own_prefill = if call.prefill.is_empty() { prefill(&prompt) } else { String::new() };
        let prefill = if own_prefill.is_empty() { call.prefill } else { &own_prefill };
        let max_sentences = if own_prefill.is_empty() { MAX_SENTENCES } else { MAX_SENTENCES_AFTER_PASSAGE };
        let max_tokens = call.max_tokens.min(MAX_REPLY_TOKENS);
        let chunks = self.0.stream(Call { prompt: &prompt, max_tokens, prefill, ..call }).await?;
        let known = prompt.messages.iter().flat_map(|message| words(&message.content)).collect();
        let sentences = Sentences { max: max_sentences, known, begun: !own_prefill.is_empty(), ..Sentences::default() };
        let begun = (!own_prefill.is_empty()).then_some(Ok(Chunk::Text(own_prefill)));
        Ok(stream::iter(begun).chain(sentences.limit(chunks)).boxed())
    }

    async fn check(&self) -> Result<(), Failure> {
        self.0.check().await
    }
}

/// What the model adds: so many whole sentences that say something new, then the end.
#[derive(Default)]
struct Sentences {
    max: usize,
    /// The words of the conversation, and of what has been said.
    known: HashSet<String>,
    pending: String,
    /// Whether there is a reply already, which nothing need be added to.
    begun: bool,
    emitted: usize,
    ended: bool,
}

impl Sentences {
    fn limit(self, chunks: Chunks) -> Chunks {
        let limited = chunks.scan(self, |sentences, chunk| ready(sentences.take(chunk)));
        limited.flat_map(stream::iter).boxed()
    }

    /// What comes of a chunk; `None` after the end.
    fn take(&mut self, chunk: Result<Chunk, Failure>) -> Option<Vec<Result<Chunk, Failure>>> {
        if self.ended {
            return None;
        }
        let mut taken = Vec::new();
        match chunk {
            Ok(Chunk::Text(text)) => {
                self.pending.push_str(&text);
                while let Some(end) = sentence_end(&self.pending) {
                    let sentence: String = self.pending.drain(..end).collect();
                    taken.extend(self.emit(sentence));
                    if self.ended {
                        taken.push(Ok(Chunk::End(FinishReason::Stop)));
                        break;
                    }
                }
            }
            Ok(Chunk::End(reason)) => {
                // A rest that was cut off is nothing to be read, unless there is nothing else.
                let rest = std::mem::take(&mut self.pending);
                if reason == FinishReason::Stop || !self.begun {
                    taken.extend(self.emit(rest));
                }
                self.ended = true;
                taken.push(Ok(Chunk::End(FinishReason::Stop)));
            }
            other => taken.push(other),
        }
        Some(taken)
    }

    /// A sentence, unless its words are mostly known, or too short to say anything: then it is the last.
    fn emit(&mut self, sentence: String) -> Option<Result<Chunk, Failure>> {
        let words: HashSet<_> = words(&sentence).collect();
        let new = words.difference(&self.known).count();
        let repeats = self.begun && (words.is_empty() || new * 2 < words.len());
        self.ended = repeats || self.emitted + 1 >= self.max;
        if repeats || sentence.trim().is_empty() {
            return None;
        }
        self.emitted += 1;
        self.begun = true;
        self.known.extend(words);
        Some(Ok(Chunk::Text(sentence)))
    }
}

/// In lower case; without the short ones, which every sentence has.
fn words(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > MAX_SHORT_WORD_CHARS);
    words.map(str::to_lowercase)
}

/// Where the first sentence ends, once it is known that it does.
fn sentence_end(text: &str) -> Option<usize> {
    let begin = text.len() - text.trim_start().len();
    let mut characters = text.char_indices().skip_while(|(at, _)| *at < begin).peekable();
    while let Some((at, c)) = characters.next() {
        let word_ends = characters.peek().is_some_and(|(_, next)| next.is_whitespace());
        if c == '\n' || (ENDS.contains(&c) && word_ends) {
            return Some(at + c.len_utf8());
        }
    }
    None
}

fn shorten(prompt: &Prompt) -> Prompt {
    let message = |role, content: &str| PromptMessage { role, content: content.to_owned() };
    // The best passage is nearest to the question.
    let passages = prompt.passages.iter().take(MAX_PASSAGES).rev().flat_map(|passage| {
        let (question, answer) = split(passage);
        let question = question.unwrap_or(QUESTION_OF_TEXT);
        [message(Speaker::User, question), message(Speaker::Assistant, first_sentences(answer, MAX_PASSAGE_CHARS))]
    });
    let earlier = if prompt.passages.is_empty() { MAX_EARLIER_MESSAGES } else { 0 };
    // Lore among the messages is more than it can read.
    let said: Vec<_> = prompt.messages.iter().filter(|message| message.role != Speaker::System).collect();
    let begin = said.len().saturating_sub(1 + earlier);
    let conversation = said[begin..].iter().skip_while(|message| message.role == Speaker::Assistant);
    let conversation =
        conversation.map(|earlier| message(earlier.role, first_sentences(&earlier.content, MAX_EARLIER_CHARS)));
    Prompt {
        system: first_sentences(&prompt.description, MAX_SYSTEM_CHARS).to_owned(),
        messages: passages.chain(conversation).collect(),
        tail: Vec::new(),
        temperature: prompt.temperature.min(MAX_TEMPERATURE),
        ..prompt.clone()
    }
}

/// The beginning of the reply: the first sentences of the best passage.
fn prefill(prompt: &Prompt) -> String {
    let Some(passage) = prompt.passages.first() else { return String::new() };
    let (_, answer) = split(passage);
    let answer = first_sentences(answer, MAX_PASSAGE_CHARS);
    let mut words = 0;
    let begun: String = answer
        .split_inclusive(ENDS)
        .take_while(|sentence| {
            let go_on = words < MIN_PREFILL_WORDS;
            words += sentence.split_whitespace().count();
            go_on
        })
        .collect();
    begun.trim().to_owned()
}

/// A passage's question, where it is an answer; and its text without headings.
fn split(passage: &str) -> (Option<&str>, &str) {
    match passage.split_once("\n\n") {
        Some((question, answer)) if question.ends_with('?') => (Some(question), answer),
        Some((heading, text)) if !heading.contains(['.', '\n']) => (None, text),
        _ => (None, passage),
    }
}

/// The first whole sentences within the limit; at least a part of the first.
fn first_sentences(text: &str, max_chars: usize) -> &str {
    let Some((end, _)) = text.char_indices().nth(max_chars) else { return text };
    let head = &text[..end];
    let stop = head.char_indices().rev().find(|(_, c)| ENDS.contains(c));
    stop.map_or(head, |(at, c)| &head[..at + c.len_utf8()])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::TryStreamExt;
    use parking_lot::Mutex;

    use super::*;

    type Recorded = Arc<Mutex<Option<(Prompt, u32, String)>>>;

    /// Completes every reply in the same way, word by word, and records how it was called.
    struct Completing(Recorded, &'static str);

    #[async_trait]
    impl ChatModel for Completing {
        async fn stream(&self, call: Call<'_>) -> Result<Chunks, Failure> {
            *self.0.lock() = Some((call.prompt.clone(), call.max_tokens, call.prefill.to_owned()));
            let words = self.1.split_inclusive(' ').map(|word| Ok(Chunk::Text(word.to_owned())));
            Ok(stream::iter(words).chain(stream::iter([Ok(Chunk::End(FinishReason::Length))])).boxed())
        }

        async fn check(&self) -> Result<(), Failure> {
            Ok(())
        }
    }

    async fn reply(prompt: &Prompt, prefill: &str, completion: &'static str) -> (String, Prompt, u32, String) {
        let recorded = Recorded::default();
        let model = SmallModel(Box::new(Completing(recorded.clone(), completion)));
        let call = Call { prompt, model: "m", max_tokens: 2_048, prefill };
        let chunks: Vec<_> = model.stream(call).await.unwrap().try_collect().await.unwrap();
        assert_eq!(chunks.last(), Some(&Chunk::End(FinishReason::Stop)));
        let text = |chunk| if let Chunk::Text(text) = chunk { text } else { String::new() };
        let (shortened, max_tokens, prefill) = recorded.lock().take().unwrap();
        (chunks.into_iter().map(text).collect(), shortened, max_tokens, prefill)
    }

    fn lines(prompt: &Prompt) -> Vec<String> {
        prompt.messages.iter().map(|message| format!("{:?}: {}", message.role, message.content)).collect()
    }

    const ANSWER: &str =
        "Why clocks?\n\nBecause they are honest. A bridge may fool you for ten years. A clock may not.";

    #[tokio::test]
    async fn the_best_passage_is_an_earlier_turn_and_begins_the_reply() {
        let passages = vec![ANSWER.to_owned(), "The shed\n\nIt stands behind the house.".to_owned()];
        let prompt = Prompt { passages, ..Prompt::asking("Why do you repair clocks?") };
        let (text, shortened, max_tokens, prefill) =
            reply(&prompt, "", " Nobody doubts Greenwich. And more of it. And").await;
        assert_eq!(prefill, "Because they are honest. A bridge may fool you for ten years. A clock may not.");
        assert_eq!(text, format!("{prefill} Nobody doubts Greenwich."));
        assert_eq!(
            lines(&shortened),
            [
                "User: What do you know about that?",
                "Assistant: It stands behind the house.",
                "User: Why clocks?",
                "Assistant: Because they are honest. A bridge may fool you for ten years. A clock may not.",
                "User: Why do you repair clocks?",
            ]
        );
        assert_eq!((shortened.temperature, max_tokens), (MAX_TEMPERATURE, MAX_REPLY_TOKENS));
    }

    #[tokio::test]
    async fn what_repeats_the_conversation_is_not_said() {
        let prompt = Prompt { passages: vec![ANSWER.to_owned()], ..Prompt::asking("Why?") };
        let (text, _, _, prefill) = reply(&prompt, "", " A clock may fool a bridge. And").await;
        assert_eq!(text, prefill);
        // Neither is a sentence without an end, nor one of short words.
        for nothing in [" No, no, no, no, no, no", " So it is. And Greenwich", " Greenwich does not"] {
            assert_eq!(reply(&prompt, "", nothing).await.0, prefill, "{nothing}");
        }
        // Nothing but a rest that was cut off is better than nothing.
        let (text, ..) = reply(&Prompt::asking("Why?"), "", "Because it").await;
        assert_eq!(text, "Because it");
    }

    #[tokio::test]
    async fn without_passages_the_model_begins_itself() {
        let (text, shortened, max_tokens, prefill) =
            reply(&Prompt::asking("Hello!"), "", "Hello there. The water is cold today. And").await;
        assert_eq!(
            (text.as_str(), prefill.as_str(), max_tokens),
            ("Hello there. The water is cold today.", "", MAX_REPLY_TOKENS)
        );
        assert_eq!((shortened.system.as_str(), lines(&shortened).len()), ("You are Ada.", 1));
    }

    #[tokio::test]
    async fn a_reply_that_another_began_is_continued() {
        let prompt = Prompt { passages: vec![ANSWER.to_owned()], ..Prompt::asking("Why?") };
        let (text, _, _, prefill) = reply(&prompt, "Well, I", " know.").await;
        assert_eq!((text.as_str(), prefill.as_str()), (" know.", "Well, I"));
    }

    #[test]
    fn a_long_conversation_is_cut_to_its_end_and_begins_with_a_question() {
        let turn = |role, content: &str| PromptMessage { role, content: content.to_owned() };
        let long = "A sentence of some length. ".repeat(40);
        let messages = vec![
            turn(Speaker::User, "first"),
            turn(Speaker::Assistant, "one"),
            turn(Speaker::User, "second"),
            turn(Speaker::Assistant, &long),
            turn(Speaker::User, "third"),
        ];
        let shortened = shorten(&Prompt { messages, ..Prompt::asking("?") });
        let lines = lines(&shortened);
        assert_eq!((lines.len(), lines[0].as_str(), lines[2].as_str()), (3, "User: second", "User: third"));
        assert!(lines[1].len() < 320 && lines[1].ends_with("length."), "{}", lines[1]);
    }

    #[test]
    fn what_has_no_end_of_a_sentence_is_cut_where_there_is_no_more_room() {
        assert_eq!(first_sentences("größer", 3), "grö");
        assert_eq!(first_sentences("So… und so", 5), "So…");
    }
}
