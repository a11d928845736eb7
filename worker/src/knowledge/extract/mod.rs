//! Extracts the text of documents, with headings and pages. Pure functions of bytes.
//!
//! The input is untrusted: extraction runs in a child process with limits ([`super::child`]), because parsers loop,
//! panic and inflate.

mod html;
mod markdown;
mod pdf;
#[cfg(test)]
mod tests;
mod writing;

use serde::{Deserialize, Serialize};
use troupe_core::{
    media_type::{MediaType, text},
    model::knowledge::Mark,
};

use self::writing::Writing;

/// An extracted document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Extracted {
    /// The document's own title.
    pub(crate) title: Option<String>,
    /// Paragraphs are separated by an empty line.
    pub(crate) text: String,
    /// In the order of the text.
    pub(crate) outline: Vec<Mark>,
}

/// Why extraction failed, for the document's owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{0}")]
pub(crate) struct Refused(pub(crate) String);

impl Refused {
    fn too_long(max_bytes: usize) -> Self {
        Self(format!("holds more text than {max_bytes} bytes"))
    }
}

/// The text of a document, at most `max_bytes` long.
pub(crate) fn extract(media_type: MediaType, bytes: &[u8], max_bytes: usize) -> Result<Extracted, Refused> {
    let mut writing = Writing::new(max_bytes);
    match media_type {
        MediaType::Text => writing.lines(&text(bytes))?,
        MediaType::Markdown => markdown::read(&text(bytes), &mut writing)?,
        MediaType::Html => html::read(&text(bytes), &mut writing)?,
        MediaType::Pdf => pdf::read(bytes, &mut writing)?,
    }
    let extracted = writing.finish();
    if extracted.text.chars().any(char::is_alphanumeric) {
        return Ok(extracted);
    }
    Err(Refused(match media_type {
        MediaType::Pdf => "holds no text: pages that are pictures have to be turned into text first".to_owned(),
        _ => "holds no words".to_owned(),
    }))
}
