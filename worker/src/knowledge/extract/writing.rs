//! The text of a document as it is put together: paragraphs with tidy spaces, headings and pages marked, and a bound on
//! all.

use troupe_core::model::knowledge::Mark;

use super::{Extracted, Refused};

/// More headings and pages than that are no help to find one's way.
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

    pub(super) fn left(&self) -> usize {
        self.max_bytes.saturating_sub(self.text.len())
    }

    pub(super) fn too_long(&self) -> Refused {
        Refused::too_long(self.max_bytes)
    }

    /// What the document calls itself; the first name that is one counts.
    pub(super) fn title(&mut self, title: &str) {
        let title = tidy(title);
        if self.title.is_none() && !title.is_empty() {
            self.title = Some(title.chars().take(MAX_TITLE_CHARS).collect());
        }
    }

    /// A paragraph; whatever spaces it has become single ones.
    pub(super) fn paragraph(&mut self, words: &str) -> Result<(), Refused> {
        self.push(&tidy(words))
    }

    /// Text whose lines are to stay lines; more than one empty line becomes one.
    pub(super) fn lines(&mut self, lines: &str) -> Result<(), Refused> {
        let mut kept = String::with_capacity(lines.len().min(self.max_bytes));
        let mut empty = 0;
        // A page that ends is an empty line.
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

    /// A page begins: with the next paragraph.
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
        if paragraph.len() + BETWEEN.len() > self.left() {
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

/// Between paragraphs.
const BETWEEN: &str = "\n\n";

/// One space between words, no control characters, and nothing that cannot be seen at the ends.
fn tidy(words: &str) -> String {
    let mut tidied = String::with_capacity(words.len());
    for word in words.split_whitespace() {
        let before = tidied.len();
        if before > 0 {
            tidied.push(' ');
        }
        let word_at = tidied.len();
        // Of soft hyphens and marks of order nobody sees anything, and searches would stumble over them.
        tidied.extend(word.chars().filter(|c| !c.is_control() && !matches!(c, '\u{ad}' | '\u{200b}' | '\u{feff}')));
        if tidied.len() == word_at {
            tidied.truncate(before);
        }
    }
    tidied
}
