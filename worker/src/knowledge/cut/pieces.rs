//! The pieces that passages are put together from: sentences, and parts of what is too long to be one.

use std::iter::Peekable;

use troupe_core::model::knowledge::Mark;

/// What a token weighs. A letter of ASCII weighs a quarter of it, another two thirds, as in the prompt's estimate.
pub(super) const TOKEN: usize = 12;

/// No piece is longer: so a passage that the next piece does not fit into is never short.
const MAX_PIECE_CHARS: usize = 130 * TOKEN;
/// After so much nothing, something else begins.
const GAP: usize = 20 * TOKEN;

/// How a piece comes after the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Begins {
    /// In the midst of a sentence that is too long.
    Midst,
    Sentence,
    Paragraph,
    Heading,
    /// After more nothing than a passage may hold.
    Anew,
}

/// A stretch of the text that begins and ends with something visible.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) begins: Begins,
    /// Of all of the text before it, and with it.
    pub(super) weight_before: usize,
    pub(super) weight_until_end: usize,
}

pub(super) fn weight_of(c: char) -> usize {
    if c.is_ascii() { TOKEN / 4 } else { TOKEN * 2 / 3 }
}

/// All pieces of a text, in order: whatever is visible is in exactly one.
pub(super) fn pieces(text: &str, outline: &[Mark]) -> Vec<Piece> {
    let headings = outline.iter().filter_map(|mark| match mark {
        Mark::Heading { at, .. } => Some(*at),
        Mark::Page { .. } => None,
    });
    let mut cutting =
        Cutting { headings: headings.peekable(), pieces: Vec::new(), open: None, weight: 0, blank: Blank::default() };
    for (at, c) in text.char_indices() {
        cutting.take(at, c);
    }
    cutting.close();
    cutting.pieces
}

/// What there was of spaces since the last visible character.
#[derive(Default)]
struct Blank {
    weight: usize,
    lines: usize,
}

/// The piece that is being read.
struct Open {
    piece: Piece,
    /// Whether it could be a whole sentence by what it ends with, and whether another may follow without a space.
    ended: bool,
    ended_wide: bool,
    /// Where it is parted if it grows too long: before its last word, if it has more than one.
    last_word: Option<Word>,
}

/// Places in the text, each with all weight before it.
struct Word {
    begins: (usize, usize),
    the_one_before_ends: (usize, usize),
}

struct Cutting<I: Iterator<Item = usize>> {
    headings: Peekable<I>,
    pieces: Vec<Piece>,
    open: Option<Open>,
    /// Of all that was read.
    weight: usize,
    blank: Blank,
}

impl<I: Iterator<Item = usize>> Cutting<I> {
    fn take(&mut self, at: usize, c: char) {
        let weight = weight_of(c);
        if c.is_whitespace() {
            self.blank.weight += weight;
            self.blank.lines += usize::from(c == '\n');
            self.weight += weight;
            return;
        }
        if let Some(begins) = self.begins(at, c) {
            self.close();
            self.begin(at, begins);
        } else {
            self.part_if_too_long(at, weight);
        }
        self.blank = Blank::default();
        self.weight += weight;
        let until = (at + c.len_utf8(), self.weight);
        if let Some(open) = &mut self.open {
            (open.piece.end, open.piece.weight_until_end) = until;
            let closes = open.ended && matches!(c, '"' | '\'' | ')' | ']' | '”' | '’' | '»' | '」' | '』');
            open.ended_wide = matches!(c, '。' | '！' | '？') || open.ended_wide && closes;
            open.ended = closes || open.ended_wide || matches!(c, '.' | '!' | '?' | '…');
        }
    }

    /// How a piece begins with this character, if one does.
    fn begins(&mut self, at: usize, c: char) -> Option<Begins> {
        let mut heading = false;
        while self.headings.next_if(|heading_at| *heading_at <= at).is_some() {
            heading = true;
        }
        let Some(open) = &self.open else { return Some(if heading { Begins::Heading } else { Begins::Paragraph }) };
        let closes = matches!(c, '"' | '\'' | ')' | ']' | '”' | '’' | '»' | '」' | '』' | '。' | '！' | '？');
        match &self.blank {
            _ if heading => Some(Begins::Heading),
            blank if blank.weight > GAP => Some(Begins::Anew),
            blank if blank.lines >= 2 => Some(Begins::Paragraph),
            blank if blank.weight > 0 && open.ended && !c.is_lowercase() => Some(Begins::Sentence),
            blank if blank.weight == 0 && open.ended_wide && !closes => Some(Begins::Sentence),
            _ => None,
        }
    }

    fn begin(&mut self, at: usize, begins: Begins) {
        let piece = Piece { start: at, end: at, begins, weight_before: self.weight, weight_until_end: self.weight };
        self.open = Some(Open { piece, ended: false, ended_wide: false, last_word: None });
    }

    /// Parts the open piece before its last word, or before this character if that is all one word.
    fn part_if_too_long(&mut self, at: usize, weight: usize) {
        let Some(open) = &mut self.open else { return };
        if self.blank.weight > 0 {
            let the_one_before_ends = (open.piece.end, open.piece.weight_until_end);
            open.last_word = Some(Word { begins: (at, self.weight), the_one_before_ends });
        }
        if self.weight + weight - open.piece.weight_before <= MAX_PIECE_CHARS {
            return;
        }
        let (mut start, mut weight_before) = (at, self.weight);
        if let Some(word) = open.last_word.take() {
            (start, weight_before) = word.begins;
            (open.piece.end, open.piece.weight_until_end) = word.the_one_before_ends;
        }
        self.pieces.push(open.piece);
        // Its end follows, with the character that is being read.
        open.piece = Piece { start, weight_before, begins: Begins::Midst, ..open.piece };
    }

    fn close(&mut self) {
        self.pieces.extend(self.open.take().map(|open| open.piece));
    }
}
