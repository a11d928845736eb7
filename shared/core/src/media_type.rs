//! The media type of an upload, sniffed from its bytes.
//!
//! The declared type only decides between kinds of text, which look alike. Other known formats are refused by name, and
//! text that is not UTF-8 with the offset of its first invalid byte.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

/// A supported kind of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[sqlx(type_name = "text")]
pub enum MediaType {
    #[serde(rename = "text/plain")]
    #[sqlx(rename = "text/plain")]
    Text,
    #[serde(rename = "text/markdown")]
    #[sqlx(rename = "text/markdown")]
    Markdown,
    #[serde(rename = "text/html")]
    #[sqlx(rename = "text/html")]
    Html,
    #[serde(rename = "application/pdf")]
    #[sqlx(rename = "application/pdf")]
    Pdf,
}

impl MediaType {
    const ALL: [Self; 4] = [Self::Text, Self::Markdown, Self::Html, Self::Pdf];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::Markdown => "text/markdown",
            Self::Html => "text/html",
            Self::Pdf => "application/pdf",
        }
    }

    /// By a name such as `text/markdown; charset=utf-8`.
    pub fn named(name: &str) -> Option<Self> {
        let essence = name.split(';').next().unwrap_or_default().trim();
        Self::ALL.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(essence))
    }
}

/// Why bytes are not a supported document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoDocument {
    /// It is of another kind.
    Other(&'static str),
    /// It is text in another encoding, or broken, from this byte on.
    NotUtf8(usize),
    /// It is text up to this byte only.
    Binary(usize),
    Empty,
}

impl fmt::Display for NoDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(what) => write!(f, "is {what}: send plain text, Markdown, HTML or PDF"),
            Self::NotUtf8(at) => write!(f, "is not UTF-8: the first fault is at byte {at}"),
            Self::Binary(at) => write!(f, "is neither text nor PDF: there is a control character at byte {at}"),
            Self::Empty => f.write_str("must not be empty"),
        }
    }
}

/// Prefixes of text that is not prose.
const OTHER_TEXT: [(&[u8], &str); 2] = [(b"#!", "a program"), (b"{\\rtf", "a rich text document")];

/// Magic numbers of other files, for the error message.
const OTHERS: [(&[u8], &str); 19] = [
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\xcf\xfa\xed\xfe", "a program"),
    (b"\xce\xfa\xed\xfe", "a program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"\0asm", "a program"),
    (b"PK\x03\x04", "an archive or an office document"),
    (b"PK\x05\x06", "an archive"),
    (b"\x1f\x8b", "an archive"),
    (b"BZh", "an archive"),
    (b"7z\xbc\xaf\x27\x1c", "an archive"),
    (b"\xfd7zXZ\0", "an archive"),
    (b"Rar!", "an archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an office document"),
    (b"\x89PNG", "a picture"),
    (b"GIF8", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"\xff\xfe", "text in UTF-16, not UTF-8"),
    (b"\xfe\xff", "text in UTF-16, not UTF-8"),
];

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// A PDF may have other bytes before its header; readers search this far.
const PDF_WITHIN: usize = 1_024;

/// The media type of the bytes. The declared type decides only where the bytes do not.
pub fn sniff(bytes: &[u8], declared: Option<MediaType>) -> Result<MediaType, NoDocument> {
    let begins = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes).trim_ascii_start();
    if begins.is_empty() {
        return Err(NoDocument::Empty);
    }
    if begins.starts_with(b"%PDF-") {
        return Ok(MediaType::Pdf);
    }
    let beginning = &bytes[..bytes.len().min(PDF_WITHIN)];
    if declared == Some(MediaType::Pdf) && beginning.windows(5).any(|window| window == b"%PDF-") {
        return Ok(MediaType::Pdf);
    }
    let other = |kinds: &[(&[u8], &'static str)]| {
        kinds.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, what)| NoDocument::Other(what))
    };
    if let Some(other) = other(&OTHER_TEXT) {
        return Err(other);
    }
    check_text(bytes).map_err(|fault| other(&OTHERS).unwrap_or(fault))?;
    Ok(match declared {
        _ if begins_as_html(begins) => MediaType::Html,
        Some(declared @ (MediaType::Html | MediaType::Markdown)) => declared,
        _ => MediaType::Text,
    })
}

fn check_text(bytes: &[u8]) -> Result<(), NoDocument> {
    std::str::from_utf8(bytes).map_err(|fault| NoDocument::NotUtf8(fault.valid_up_to()))?;
    let control = bytes.iter().position(|byte| matches!(byte, 0..=8 | 14..=26 | 28..=31 | 127));
    control.map_or(Ok(()), |at| Err(NoDocument::Binary(at)))
}

fn begins_as_html(begins: &[u8]) -> bool {
    let starts = |tag: &[u8]| {
        begins.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag))
            && begins.get(tag.len()).is_some_and(|next| b" \t\r\n>".contains(next))
    };
    [&b"<!doctype html"[..], b"<html", b"<head", b"<body"].into_iter().any(starts)
}

/// Decodes a text, without its byte order mark.
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_is_goes_before_what_it_is_said_to_be() {
        let pdf = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n";
        for declared in [None, Some(MediaType::Text), Some(MediaType::Html), Some(MediaType::Pdf)] {
            assert_eq!(sniff(pdf, declared), Ok(MediaType::Pdf));
            assert_eq!(sniff(b"\n<!DOCTYPE html>\n<p>Hello", declared), Ok(MediaType::Html));
        }
        assert_eq!(sniff(b"junk\n%PDF-1.4", Some(MediaType::Pdf)), Ok(MediaType::Pdf));
        assert_eq!(sniff(b"The letters %PDF-1.4 begin a PDF.", Some(MediaType::Text)), Ok(MediaType::Text));
        assert_eq!(sniff(b"# Ada", Some(MediaType::Markdown)), Ok(MediaType::Markdown));
        assert_eq!(sniff(b"# Ada", None), Ok(MediaType::Text));
        assert_eq!(sniff(b"# Ada", Some(MediaType::Pdf)), Ok(MediaType::Text));
        assert_eq!(sniff(b"<p>Hello", Some(MediaType::Html)), Ok(MediaType::Html));
        assert_eq!(sniff(b"<headland> was a word", None), Ok(MediaType::Text));
        assert_eq!(sniff(b"MZ is how a program begins, and BZh an archive.", None), Ok(MediaType::Text));
        assert_eq!(sniff("\u{feff}Héllo".as_bytes(), None), Ok(MediaType::Text));
    }

    #[test]
    fn what_is_no_document_is_named() {
        let fault = |bytes: &[u8]| sniff(bytes, Some(MediaType::Text)).unwrap_err().to_string();
        assert_eq!(fault(b"\x7fELF\x02\x01\x01\0"), "is a program: send plain text, Markdown, HTML or PDF");
        assert_eq!(fault(b"MZ\x90\0\x03"), "is a program: send plain text, Markdown, HTML or PDF");
        assert_eq!(fault(b"#!/bin/sh\nrm -rf ~\n"), "is a program: send plain text, Markdown, HTML or PDF");
        assert!(fault(b"PK\x03\x04\x14\0").starts_with("is an archive or an office document"));
        assert!(fault(b"\xff\xfeH\0i\0").starts_with("is text in UTF-16"));
        assert_eq!(fault(b"caf\xe9 au lait"), "is not UTF-8: the first fault is at byte 3");
        assert_eq!(fault(b"one\0two"), "is neither text nor PDF: there is a control character at byte 3");
        assert_eq!(fault(b" \n\xc2"), "is not UTF-8: the first fault is at byte 2");
        assert_eq!(fault(b""), "must not be empty");
        assert_eq!(fault(b"\xef\xbb\xbf \n"), "must not be empty");
    }

    #[test]
    fn names_are_read_with_their_parameters() {
        assert_eq!(MediaType::named("Text/Markdown; charset=utf-8"), Some(MediaType::Markdown));
        assert_eq!(MediaType::named("application/json"), None);
    }
}
