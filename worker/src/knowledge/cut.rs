//! Splits a text into passages. Pure.
//!
//! A passage is a span of the text, of 200 to 350 estimated tokens, that ends at the end of a paragraph or at least a
//! sentence, and before a heading if possible. It starts with the last sentence or two of the one before, unless a
//! heading separates them. Every letter and digit of the text is in a passage, and no passage is too long. Runs in
//! linear time.

mod pieces;
#[cfg(test)]
mod tests;

use troupe_core::{
    ids::PassageId,
    model::knowledge::{Mark, PassageLocation},
};
use troupe_db::knowledge::passages::NewPassage;

use self::pieces::{Begins, Piece, TOKEN, pieces};

/// The maximum of a passage.
const MAX_PASSAGE_CHARS: usize = 350 * TOKEN;
/// From this length on, a passage ends at the end of a paragraph.
const ENOUGH: usize = 200 * TOKEN;
/// From this length on, a passage ends before a heading.
const ENOUGH_FOR_A_HEADING: usize = 100 * TOKEN;
/// The maximum overlap of two passages.
const OVERLAP: usize = 60 * TOKEN;
const OVERLAP_SENTENCES: usize = 2;
/// Longer headings are truncated in passages.
const MAX_HEADING_CHARS: usize = 120;

/// The passages of a source. Deterministic, including their ids.
pub(super) fn cut(source: &str, text: &str, outline: &[Mark]) -> Vec<NewPassage> {
    let pieces = pieces(text, outline);
    let mut passages = Vec::new();
    let mut locator = Locator::new(text, outline);
    let (mut first, mut first_before) = (0, 0);
    while first < pieces.len() {
        let from = overlap(&pieces, first_before, first);
        let until = end(&pieces, from, first);
        let (start, end) = (pieces[from].start, pieces[until - 1].end);
        (first_before, first) = (first, until);
        let content = &text[start..end];
        if !content.chars().any(char::is_alphanumeric) {
            continue;
        }
        let ordinal = passages.len() as u32;
        let id = PassageId::of(source, ordinal, content);
        passages.push(NewPassage { id, ordinal, place: locator.locate(start, end), content: content.to_owned() });
    }
    passages
}

/// The length of the span from one piece to before another.
fn weight(pieces: &[Piece], from: usize, until: usize) -> usize {
    if from == until { 0 } else { pieces[until - 1].weight_until_end - pieces[from].weight_before }
}

/// The first piece of a passage, by the first pieces that are new in it and in the one before.
fn overlap(pieces: &[Piece], first_before: usize, first: usize) -> usize {
    let mut from = first;
    while from > first_before
        && first - from < OVERLAP_SENTENCES
        && matches!(pieces[from].begins, Begins::Paragraph | Begins::Sentence)
        && pieces[from - 1].begins != Begins::MidSentence
        && weight(pieces, from - 1, first) <= OVERLAP
    {
        from -= 1;
    }
    from
}

/// The piece before which a passage ends.
fn end(pieces: &[Piece], from: usize, first: usize) -> usize {
    let mut until = first + 1;
    while until < pieces.len() {
        let enough = match pieces[until].begins {
            Begins::AfterGap => 0,
            Begins::Heading => ENOUGH_FOR_A_HEADING,
            Begins::Paragraph => ENOUGH,
            Begins::Sentence | Begins::MidSentence => usize::MAX,
        };
        if weight(pieces, from, until) >= enough || weight(pieces, from, until + 1) > MAX_PASSAGE_CHARS {
            break;
        }
        until += 1;
    }
    until
}

/// Computes the location of each passage, in one pass through the text.
struct Locator<'a> {
    text: &'a str,
    outline: &'a [Mark],
    headings: Vec<(u8, String)>,
    page: Option<u32>,
    /// A byte offset, and the character offset there.
    at: (usize, u32),
}

impl<'a> Locator<'a> {
    fn new(text: &'a str, outline: &'a [Mark]) -> Self {
        Self { text, outline, headings: Vec::new(), page: None, at: (0, 0) }
    }

    fn locate(&mut self, start: usize, end: usize) -> PassageLocation {
        while let Some((mark, rest)) = self.outline.split_first()
            && at(mark) <= start
        {
            self.pass(*mark);
            self.outline = rest;
        }
        let letters = |text: &str| text.chars().count() as u32;
        let begins = self.at.1 + letters(&self.text[self.at.0..start]);
        self.at = (start, begins);
        PassageLocation {
            headings: self.headings.iter().map(|(_, heading)| heading.clone()).collect(),
            page: self.page,
            start: begins,
            end: begins + letters(&self.text[start..end]),
        }
    }

    fn pass(&mut self, mark: Mark) {
        match mark {
            Mark::Page { number, .. } => self.page = Some(number),
            Mark::Heading { at, end, level } => {
                self.headings.retain(|(above, _)| *above < level);
                let words = self.text.get(at..end).unwrap_or_default();
                self.headings.push((level, words.chars().take(MAX_HEADING_CHARS).collect()));
            }
        }
    }
}

fn at(mark: &Mark) -> usize {
    match mark {
        Mark::Heading { at, .. } | Mark::Page { at, .. } => *at,
    }
}
