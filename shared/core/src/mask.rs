//! Masks what must not be passed on with a text: keys, tokens, passwords, private keys, e-mail addresses, card numbers.
//!
//! Pure, and in one pass over the original: every finder names the places that it objects to, places that touch are
//! one, and what remains is the text as it was. It would rather miss a password that looks like a word than take words
//! out of ordinary text; credentials of well-known shapes are found wherever they stand.

mod finders;
mod shapes;

use std::{borrow::Cow, ops::Range};

/// What is put in the place of what was found.
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
    place: Range<usize>,
    kind: Kind,
}

/// The text without its secrets.
pub fn masked(text: &str) -> Cow<'_, str> {
    let mut found = finders::find(text);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    found.sort_by_key(|one| one.place.start);
    let mut masked = String::with_capacity(text.len());
    let mut copied = 0;
    let mut rest = found.into_iter().peekable();
    while let Some(Found { mut place, kind }) = rest.next() {
        while let Some(next) = rest.next_if(|next| next.place.start < place.end) {
            place.end = place.end.max(next.place.end);
        }
        masked.push_str(&text[copied..place.start]);
        masked.push_str(kind.replacement());
        copied = place.end;
    }
    masked.push_str(&text[copied..]);
    Cow::Owned(masked)
}

#[cfg(test)]
mod tests;
