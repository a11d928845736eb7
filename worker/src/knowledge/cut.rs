//! Cuts a text into passages. Pure.
//!
//! A passage is a stretch of the text, of 200 to 350 tokens by the letters' estimate, that ends where a paragraph or at
//! least a sentence does, and before a heading if it can. It begins with the last sentence or two of the one before,
//! unless a heading parts them. Every letter and digit of the text is in one; none is too long, whatever the text. The
//! work grows with the text's length and nothing else.

mod pieces;
#[cfg(test)]
mod tests;

use troupe_core::{
    ids::PassageId,
    model::knowledge::{Mark, PassageLocation},
};
use troupe_db::knowledge::passages::NewPassage;

use self::pieces::{Begins, Piece, TOKEN, pieces};

/// No passage is longer.
const MAX_PASSAGE_CHARS: usize = 350 * TOKEN;
/// A passage of this length ends with its paragraph.
const ENOUGH: usize = 200 * TOKEN;
/// A passage of this length ends before a heading.
const ENOUGH_FOR_A_HEADING: usize = 100 * TOKEN;
/// No longer stretch is in two passages, and no more sentences.
const OVERLAP: usize = 60 * TOKEN;
const OVERLAP_SENTENCES: usize = 2;
/// Of longer headings only the beginning is told with each passage.
const HEADING_LETTERS: usize = 120;

/// The passages of a source. The same text gives the same passages, with the same ids.
pub(super) fn cut(source: &str, text: &str, outline: &[Mark]) -> Vec<NewPassage> {
    let pieces = pieces(text, outline);
    let mut passages = Vec::new();
    let mut places = Places::new(text, outline);
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
        passages.push(NewPassage { id, ordinal, place: places.place(start, end), content: content.to_owned() });
    }
    passages
}

/// How long the stretch is from one piece to before another.
fn weight(pieces: &[Piece], from: usize, until: usize) -> usize {
    if from == until { 0 } else { pieces[until - 1].weight_until_end - pieces[from].weight_before }
}

/// With which piece of the passage before a passage begins, of both of which the first new piece is known.
fn overlap(pieces: &[Piece], first_before: usize, first: usize) -> usize {
    let mut from = first;
    while from > first_before
        && first - from < OVERLAP_SENTENCES
        && matches!(pieces[from].begins, Begins::Paragraph | Begins::Sentence)
        && pieces[from - 1].begins != Begins::Midst
        && weight(pieces, from - 1, first) <= OVERLAP
    {
        from -= 1;
    }
    from
}

/// Before which piece a passage ends.
fn end(pieces: &[Piece], from: usize, first: usize) -> usize {
    let mut until = first + 1;
    while until < pieces.len() {
        let enough = match pieces[until].begins {
            Begins::Anew => 0,
            Begins::Heading => ENOUGH_FOR_A_HEADING,
            Begins::Paragraph => ENOUGH,
            Begins::Sentence | Begins::Midst => usize::MAX,
        };
        if weight(pieces, from, until) >= enough || weight(pieces, from, until + 1) > MAX_PASSAGE_CHARS {
            break;
        }
        until += 1;
    }
    until
}

/// Finds the place of each passage, going forward through the text.
struct Places<'a> {
    text: &'a str,
    outline: &'a [Mark],
    headings: Vec<(u8, String)>,
    page: Option<u32>,
    /// A byte of the text, and which character begins there.
    at: (usize, u32),
}

impl<'a> Places<'a> {
    fn new(text: &'a str, outline: &'a [Mark]) -> Self {
        Self { text, outline, headings: Vec::new(), page: None, at: (0, 0) }
    }

    fn place(&mut self, start: usize, end: usize) -> PassageLocation {
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
                self.headings.push((level, words.chars().take(HEADING_LETTERS).collect()));
            }
        }
    }
}

fn at(mark: &Mark) -> usize {
    match mark {
        Mark::Heading { at, .. } | Mark::Page { at, .. } => *at,
    }
}
