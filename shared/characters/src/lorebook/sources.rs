//! The texts that keys are looked for in: messages, and the contents of entries that were found before.

use std::cell::{Cell, OnceCell};

use crate::limits::MAX_SCANNED_BYTES;

pub(crate) struct Source<'a> {
    text: &'a str,
    lower: OnceCell<String>,
    pub(crate) origin: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The newest is 0.
    Message(u32),
    /// By its index.
    Entry(usize),
}

impl<'a> Source<'a> {
    pub(crate) fn message(back: u32, text: &'a str) -> Self {
        Self { text, lower: OnceCell::new(), origin: Origin::Message(back) }
    }

    pub(crate) fn entry(index: usize, text: &'a str) -> Self {
        Self { text, lower: OnceCell::new(), origin: Origin::Entry(index) }
    }

    pub(crate) fn text(&self) -> &str {
        self.text
    }

    pub(crate) fn lower(&self) -> &str {
        self.lower.get_or_init(|| self.text.to_lowercase())
    }
}

/// Bounds the work of a scan, by the bytes that are looked through.
#[derive(Default)]
pub(crate) struct Work(Cell<usize>);

impl Work {
    /// Whether there is room for that much.
    pub(crate) fn spend(&self, bytes: usize) -> bool {
        let spent = self.0.get().saturating_add(bytes);
        self.0.set(spent);
        spent <= MAX_SCANNED_BYTES
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.0.get() > MAX_SCANNED_BYTES
    }
}
