//! Entry points of the targets in `fuzz/`: the parsers of model services' answers and of documents. Only with the
//! feature `fuzzing`.
//!
//! A target for model services passes its bytes as an answer to the real decoder, without a socket: whole, and cut at
//! indexes that the bytes themselves choose. Both must give the same chunks; nothing may panic; and an end needs a
//! finish reason.

use std::sync::Once;

use serde_json::Value;
use troupe_core::media_type::MediaType;

use crate::{
    knowledge::{PROMISE, extracted},
    providers::{
        chat_model::Chunk,
        formats::test_support::{Format, chunks_of},
    },
};

/// Of a document's text.
const MAX_TEXT_BYTES: usize = 64 * 1024;

pub fn plain_text(document: &[u8]) {
    extracted(MediaType::Text, document, MAX_TEXT_BYTES);
}

pub fn markdown(document: &[u8]) {
    extracted(MediaType::Markdown, document, MAX_TEXT_BYTES);
}

pub fn html(document: &[u8]) {
    extracted(MediaType::Html, document, MAX_TEXT_BYTES);
}

/// Its reader may panic: the process that extracts documents turns that into a failure. It must terminate.
pub fn pdf(document: &[u8]) {
    static PANIC_HOOK: Once = Once::new();
    // The fuzzer's hook would abort.
    PANIC_HOOK.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let read = std::panic::catch_unwind(|| extracted(MediaType::Pdf, document, MAX_TEXT_BYTES));
    // Broken invariants of ours are no panics of the reader.
    if let Err(panic) = read
        && panic.downcast_ref::<&str>().is_some_and(|message| message.starts_with(PROMISE))
    {
        std::process::abort();
    }
}

pub fn openai(answer: &[u8]) {
    let ended = ends_whole_and_cut(Format::OpenAi, answer);
    assert!(!ended || holds(answer, "finish_reason"), "an end without a finish reason");
}

pub fn anthropic(answer: &[u8]) {
    let ended = ends_whole_and_cut(Format::Anthropic, answer);
    assert!(!ended || holds(answer, "stop"), "an end without a finish reason");
}

pub fn json(answer: &[u8]) {
    let ended = ends_whole_and_cut(Format::Json, answer);
    let answer = String::from_utf8_lossy(answer);
    let answer = serde_json::from_str::<Value>(answer.trim_start_matches('\u{feff}'));
    assert!(!ended || answer.is_ok(), "an end without a finish reason");
}

/// Whether the answer has an end; it must give the same chunks whole and cut. The first bytes choose the cuts and the
/// prefill.
fn ends_whole_and_cut(format: Format, answer: &[u8]) -> bool {
    let cuts: Vec<usize> = answer.iter().take(8).map(|&step| usize::from(step)).collect();
    let prefill = if answer.len().is_multiple_of(2) { "" } else { "A beginning, \n" };
    let whole = chunks_of(format, answer, &[], prefill);
    let cut = chunks_of(format, answer, &cuts, prefill);
    assert_eq!(format!("{whole:?}"), format!("{cut:?}"), "other chunks when it is cut");
    whole.iter().any(|chunk| matches!(chunk, Ok(Chunk::End(_))))
}

/// A name may be written with escapes, too.
fn holds(answer: &[u8], name: &str) -> bool {
    answer.windows(name.len()).any(|part| part == name.as_bytes()) || answer.windows(2).any(|part| part == b"\\u")
}
