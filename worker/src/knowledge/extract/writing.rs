//! A builder of extracted text: normalized paragraphs, an outline of headings and pages, and a maximum length.

use troupe_core::model::knowledge::Mark;

use super::{Extracted, Refused};

/// The maximum size of the outline.
const MAX_MARKS: usize = 10_000;
const MAX_TITLE_CHARS: usize = 200;

pub(super) struct Writing {
    text: String,
    outline: Vec<Mark>,
    title: Option<String>,
    max_bytes: usize,
}

impl Writing {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { text: String::new(), outline: Vec::new(), title: None, max_bytes }
    }

    pub(super) fn remaining(&self) -> usize {
        self.max_bytes.saturating_sub(self.text.len())
    }

    pub(super) fn too_long(&self) -> Refused {
        Refused::too_long(self.max_bytes)
    }

    /// Sets the document's own title; the first one that is not empty wins.
    pub(super) fn title(&mut self, title: &str) {
        let title = tidy(title);
        if self.title.is_none() && !title.is_empty() {
            self.title = Some(title.chars().take(MAX_TITLE_CHARS).collect());
        }
    }

    /// Adds a paragraph; runs of white space become single spaces.
    pub(super) fn paragraph(&mut self, words: &str) -> Result<(), Refused> {
        self.push(&tidy(words))
    }

    /// Adds text with its line breaks; runs of empty lines become one.
    pub(super) fn lines(&mut self, lines: &str) -> Result<(), Refused> {
        let mut kept = String::with_capacity(lines.len().min(self.max_bytes));
        let mut empty = 0;
        // A form feed is an empty line.
        for line in lines.replace('\u{c}', "\n\n").lines() {
            let line: String = line.chars().filter(|c| *c == '\t' || !c.is_control()).collect();
            let line = line.trim_end();
            empty = if line.is_empty() { empty + 1 } else { 0 };
            if empty < 2 {
                kept.push_str(line);
                kept.push('\n');
            }
        }
        self.push(kept.trim_matches('\n'))
    }

    pub(super) fn heading(&mut self, level: u8, words: &str) -> Result<(), Refused> {
        let words = tidy(words);
        if words.is_empty() {
            return Ok(());
        }
        self.title(&words);
        self.push(&words)?;
        let end = self.text.len();
        self.mark(Mark::Heading { at: end - words.len(), end, level });
        Ok(())
    }

    /// Starts a page, at the next paragraph.
    pub(super) fn page(&mut self, number: u32) {
        let at = if self.text.is_empty() { 0 } else { self.text.len() + BETWEEN.len() };
        self.mark(Mark::Page { at, number });
    }

    fn mark(&mut self, mark: Mark) {
        if self.outline.len() < MAX_MARKS {
            self.outline.push(mark);
        }
    }

    fn push(&mut self, paragraph: &str) -> Result<(), Refused> {
        if paragraph.is_empty() {
            return Ok(());
        }
        if paragraph.len() + BETWEEN.len() > self.remaining() {
            return Err(self.too_long());
        }
        if !self.text.is_empty() {
            self.text.push_str(BETWEEN);
        }
        self.text.push_str(paragraph);
        Ok(())
    }

    pub(super) fn finish(self) -> Extracted {
        Extracted { title: self.title, text: self.text, outline: self.outline }
    }
}

/// The separator of paragraphs.
const BETWEEN: &str = "\n\n";

/// Single spaces between words, no control characters, and no invisible characters at the ends.
fn tidy(words: &str) -> String {
    let mut tidied = String::with_capacity(words.len());
    for word in words.split_whitespace() {
        let before = tidied.len();
        if before > 0 {
            tidied.push(' ');
        }
        let word_at = tidied.len();
        // Soft hyphens and zero-width characters are invisible, but would break searches.
        tidied.extend(word.chars().filter(|c| !c.is_control() && !matches!(c, '\u{ad}' | '\u{200b}' | '\u{feff}')));
        if tidied.len() == word_at {
            tidied.truncate(before);
        }
    }
    tidied
}
