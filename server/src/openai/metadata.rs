//! What callers note with responses and conversations.

use std::collections::BTreeMap;

use crate::http::{error::ApiError, extract::validation::Checks};

pub(crate) type Metadata = BTreeMap<String, String>;

const MAX_ENTRIES: usize = 16;
const MAX_TEXT_BYTES: usize = 512;

pub(crate) fn is_text(text: &str) -> bool {
    // PostgreSQL stores no zero characters.
    text.len() <= MAX_TEXT_BYTES && !text.contains('\0')
}

pub(crate) fn check(metadata: &Metadata) -> Result<(), ApiError> {
    let texts = metadata.iter().all(|(name, value)| is_text(name) && is_text(value));
    Checks::default()
        .rule(metadata.len() <= MAX_ENTRIES, "metadata", "must not have more than 16 entries")
        .rule(texts, "metadata", "must have texts of up to 512 bytes")
        .done()
}
