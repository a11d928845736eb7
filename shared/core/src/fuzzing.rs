//! What this crate reads from outside, as the targets in `fuzz/` need it. Only with the feature `fuzzing`.

use crate::{
    adapters,
    config::{ConfigError, read_text},
    media_type::{MediaType, NoDocument, sniff},
};

const SECRET: &str = "sk-canary-4f6a1b";

/// A file and, after a zero byte, an environment, a variable a line. A key is there as well: nobody may see it.
pub fn config(text: &str) {
    let (file, lines) = text.split_once('\0').unwrap_or((text, ""));
    let variables = lines.lines().filter_map(|line| line.split_once('='));
    // Nothing is to be read from where the bytes say.
    let variables = variables.filter(|(name, _)| !name.ends_with("_FILE"));
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let key = ("QDRANT_API_KEY".to_owned(), SECRET.to_owned());
    let read = read_text(file, variables.chain([key]).collect());
    let shown = match &read {
        Ok(config) => format!("{config:?}"),
        Err(error) => error.to_string(),
    };
    assert!(text.contains(SECRET) || !shown.contains(SECRET), "a key was shown");
    assert!(!matches!(read, Err(ConfigError(faults)) if faults.is_empty()), "refused without a reason");
}

/// The address of a document; one that may be called leads to nothing inside, however it is written.
pub fn address(text: &str) {
    adapters::outgoing::fuzz(text);
}

/// What a document is; the first byte says what it is said to be.
pub fn media_type(bytes: &[u8]) {
    let declared =
        [None, Some(MediaType::Text), Some(MediaType::Html), Some(MediaType::Pdf), Some(MediaType::Markdown)];
    let declared = bytes.first().and_then(|first| declared[usize::from(*first) % declared.len()]);
    let bytes = bytes.get(1..).unwrap_or_default();
    match sniff(bytes, declared) {
        Ok(MediaType::Pdf) => assert!(bytes.windows(5).any(|window| window == b"%PDF-"), "no PDF"),
        Ok(_) => assert!(str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0')), "no text"),
        Err(NoDocument::NotUtf8(at) | NoDocument::Binary(at)) => assert!(at < bytes.len(), "a fault behind the end"),
        Err(_) => {}
    }
}
