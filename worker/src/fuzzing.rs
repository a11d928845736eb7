//! The parsers of what model services send, and of documents, as the targets in `fuzz/` need them. Only with the feature
//! `fuzzing`.
//!
//! A target for model services gives its bytes as an answer to the real model, over everything but a socket: whole, and cut into pieces at
//! places that the bytes themselves choose. Both must say the same; nothing may panic; and an end must have been said.

use std::sync::Once;

use serde_json::Value;
use troupe_core::media_type::MediaType;

use crate::{
    knowledge::{PROMISE, extracted},
    providers::{
        chat_model::Chunk,
        formats::test_support::{Format, heard},
    },
};

/// Of what is read of a document.
const MOST_TEXT: usize = 64 * 1024;

pub fn plain_text(document: &[u8]) {
    extracted(MediaType::Text, document, MOST_TEXT);
}

pub fn markdown(document: &[u8]) {
    extracted(MediaType::Markdown, document, MOST_TEXT);
}

pub fn html(document: &[u8]) {
    extracted(MediaType::Html, document, MOST_TEXT);
}

/// Its reader may panic: in the process that reads documents that is an answer as well. It must come to an end.
pub fn pdf(document: &[u8]) {
    static QUIET: Once = Once::new();
    // The fuzzer's hook would end it.
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let read = std::panic::catch_unwind(|| extracted(MediaType::Pdf, document, MOST_TEXT));
    // Broken promises are no panics of the reader's.
    if let Err(panic) = read
        && panic.downcast_ref::<&str>().is_some_and(|said| said.starts_with(PROMISE))
    {
        std::process::abort();
    }
}

pub fn openai(answer: &[u8]) {
    let ended = says_the_same_in_pieces(Format::OpenAi, answer);
    assert!(!ended || holds(answer, "finish_reason"), "an end that was not said");
}

pub fn anthropic(answer: &[u8]) {
    let ended = says_the_same_in_pieces(Format::Anthropic, answer);
    assert!(!ended || holds(answer, "stop"), "an end that was not said");
}

pub fn json(answer: &[u8]) {
    let ended = says_the_same_in_pieces(Format::Json, answer);
    let answer = String::from_utf8_lossy(answer);
    let answer = serde_json::from_str::<Value>(answer.trim_start_matches('\u{feff}'));
    assert!(!ended || answer.is_ok(), "an end that was not said");
}

/// Whether it has an end. The first bytes say where the rest is cut, and what was said before.
fn says_the_same_in_pieces(format: Format, answer: &[u8]) -> bool {
    let cuts: Vec<usize> = answer.iter().take(8).map(|&step| usize::from(step)).collect();
    let said = if answer.len().is_multiple_of(2) { "" } else { "A beginning, \n" };
    let whole = heard(format, answer, &[], said);
    let cut = heard(format, answer, &cuts, said);
    assert_eq!(format!("{whole:?}"), format!("{cut:?}"), "in pieces it says something else");
    whole.iter().any(|chunk| matches!(chunk, Ok(Chunk::End(_))))
}

/// Letters of a name may be written as escapes, too.
fn holds(answer: &[u8], name: &str) -> bool {
    answer.windows(name.len()).any(|part| part == name.as_bytes()) || answer.windows(2).any(|part| part == b"\\u")
}
