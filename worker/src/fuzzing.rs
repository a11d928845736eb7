//! The parsers of what model services send, as the targets in `fuzz/` need them. Only with the feature `fuzzing`.
//!
//! Each target gives its bytes as an answer to the real model, over everything but a socket: whole, and cut into pieces at
//! places that the bytes themselves choose. Both must say the same; nothing may panic; and an end must have been said.

use serde_json::Value;

use crate::providers::{
    Chunk,
    canned::{Format, heard},
};

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
