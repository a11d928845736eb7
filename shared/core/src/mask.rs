//! Masks secrets and personal data in texts: keys, tokens, passwords, private keys, e-mail addresses, card numbers.
//!
//! Pure, and in one pass over the original: every finder returns spans, adjacent spans are merged, and the rest of the
//! text is unchanged. It prefers to miss a password that looks like a word over masking ordinary text; credentials of
//! well-known shapes are found anywhere.

mod finders;
mod shapes;

use std::{borrow::Cow, ops::Range};

/// The replacement of what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Secret,
    Email,
    Card,
}

impl Kind {
    const fn replacement(self) -> &'static str {
        match self {
            Self::Secret => "[masked]",
            Self::Email => "[e-mail address]",
            Self::Card => "[card number]",
        }
    }
}

#[derive(Debug, Clone)]
struct Found {
    span: Range<usize>,
    kind: Kind,
}

/// The text without its secrets.
pub fn masked(text: &str) -> Cow<'_, str> {
    let mut found = finders::find(text);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    found.sort_by_key(|one| one.span.start);
    let mut masked = String::with_capacity(text.len());
    let mut copied = 0;
    let mut rest = found.into_iter().peekable();
    while let Some(Found { mut span, kind }) = rest.next() {
        while let Some(next) = rest.next_if(|next| next.span.start < span.end) {
            span.end = span.end.max(next.span.end);
        }
        masked.push_str(&text[copied..span.start]);
        masked.push_str(kind.replacement());
        copied = span.end;
    }
    masked.push_str(&text[copied..]);
    Cow::Owned(masked)
}

#[cfg(test)]
mod tests;
