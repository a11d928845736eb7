//! Entry points of the targets in `fuzz/`. Only with the feature `fuzzing`.

use crate::{
    adapters,
    config::{ConfigError, read_text},
    media_type::{MediaType, NoDocument, sniff},
};

const SECRET: &str = "sk-canary-4f6a1b";

/// A file and, after a zero byte, an environment, one variable per line. A key is included, which must not be shown.
pub fn config(text: &str) {
    let (file, lines) = text.split_once('\0').unwrap_or((text, ""));
    let variables = lines.lines().filter_map(|line| line.split_once('='));
    // The input must not make it read files.
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

/// The URL of a document; an allowed one must not be internal, in any notation.
pub fn address(text: &str) {
    adapters::outgoing::fuzz(text);
}

/// The media type of a document; the first byte chooses the declared type.
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
