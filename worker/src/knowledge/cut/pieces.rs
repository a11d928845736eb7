//! The pieces of passages: sentences, and parts of overlong ones.

use std::iter::Peekable;

use troupe_core::model::knowledge::Mark;

/// The weight of a token: four ASCII characters or one and a half others, as in the prompt's estimate.
pub(super) const TOKEN: usize = 12;

/// The maximum of a piece: a passage that the next piece does not fit into is never short.
const MAX_PIECE_CHARS: usize = 130 * TOKEN;
/// A longer run of white space separates passages.
const GAP: usize = 20 * TOKEN;

/// How a piece starts, relative to the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Begins {
    /// Within an overlong sentence.
    MidSentence,
    Sentence,
    Paragraph,
    Heading,
    /// After a longer run of white space than a passage may contain.
    AfterGap,
}

/// A span of the text without white space at its ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) begins: Begins,
    /// The cumulative weights of the text before it, and up to its end.
    pub(super) weight_before: usize,
    pub(super) weight_until_end: usize,
}

pub(super) fn weight_of(c: char) -> usize {
    if c.is_ascii() { TOKEN / 4 } else { TOKEN * 2 / 3 }
}

/// All pieces of a text, in order: every visible character is in exactly one.
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

/// The white space since the last visible character.
#[derive(Default)]
struct Blank {
    weight: usize,
    lines: usize,
}

/// The piece being read.
struct Open {
    piece: Piece,
    /// Whether a sentence may end here, and whether another may follow without a space.
    ended: bool,
    ended_wide: bool,
    /// Where to split it if it gets too long: before its last word, if it has more than one.
    last_word: Option<Word>,
}

/// Offsets in the text, each with the cumulative weight.
struct Word {
    begins: (usize, usize),
    previous_end: (usize, usize),
}

struct Cutting<I: Iterator<Item = usize>> {
    headings: Peekable<I>,
    pieces: Vec<Piece>,
    open: Option<Open>,
    /// The cumulative weight of all that was read.
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

    /// How a piece starts at this character, if one does.
    fn begins(&mut self, at: usize, c: char) -> Option<Begins> {
        let mut heading = false;
        while self.headings.next_if(|heading_at| *heading_at <= at).is_some() {
            heading = true;
        }
        let Some(open) = &self.open else { return Some(if heading { Begins::Heading } else { Begins::Paragraph }) };
        let closes = matches!(c, '"' | '\'' | ')' | ']' | '”' | '’' | '»' | '」' | '』' | '。' | '！' | '？');
        match &self.blank {
            _ if heading => Some(Begins::Heading),
            blank if blank.weight > GAP => Some(Begins::AfterGap),
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

    /// Splits the open piece before its last word, or before this character if it is a single word.
    fn part_if_too_long(&mut self, at: usize, weight: usize) {
        let Some(open) = &mut self.open else { return };
        if self.blank.weight > 0 {
            let previous_end = (open.piece.end, open.piece.weight_until_end);
            open.last_word = Some(Word { begins: (at, self.weight), previous_end });
        }
        if self.weight + weight - open.piece.weight_before <= MAX_PIECE_CHARS {
            return;
        }
        let (mut start, mut weight_before) = (at, self.weight);
        if let Some(word) = open.last_word.take() {
            (start, weight_before) = word.begins;
            (open.piece.end, open.piece.weight_until_end) = word.previous_end;
        }
        self.pieces.push(open.piece);
        // Its end is set when the current character is added.
        open.piece = Piece { start, weight_before, begins: Begins::MidSentence, ..open.piece };
    }

    fn close(&mut self) {
        self.pieces.extend(self.open.take().map(|open| open.piece));
    }
}
