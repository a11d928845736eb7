//! A message as sentences, without what it quotes.

use std::ops::Range;

/// Replaces quoted text, byte for byte: offsets stay valid.
const BLANK: char = '\u{1}';
/// Opening and closing.
const QUOTATION_MARKS: [(char, char); 6] = [('"', '"'), ('“', '”'), ('„', '“'), ('«', '»'), ('‘', '’'), ('\'', '\'')];
/// Words before a full stop that ends no sentence.
const ABBREVIATIONS: [&str; 10] = ["mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "vs", "approx"];

/// The message with code, quoted lines and quotations blanked out.
pub(super) fn without_quotations(message: &str) -> String {
    let mut plain = String::with_capacity(message.len());
    let mut fenced = false;
    for line in message.split_inclusive('\n') {
        let fence = line.trim_start().starts_with("```");
        if fenced || fence || line.trim_start().starts_with('>') {
            blank(&mut plain, line);
        } else {
            blank_quotations(&mut plain, line);
        }
        fenced ^= fence;
    }
    plain
}

fn blank(plain: &mut String, quoted: &str) {
    plain.extend(quoted.bytes().map(|byte| if byte == b'\n' { '\n' } else { BLANK }));
}

fn blank_quotations(plain: &mut String, line: &str) {
    let mut rest = line;
    while let Some(character) = rest.chars().next() {
        let length = quotation(plain, rest).unwrap_or_default();
        if length > 0 {
            blank(plain, &rest[..length]);
            rest = &rest[length..];
        } else {
            plain.push(character);
            rest = &rest[character.len_utf8()..];
        }
    }
}

/// The length of the quotation that begins here. An apostrophe opens one only after no word, and closes one only before
/// none.
fn quotation(before: &str, text: &str) -> Option<usize> {
    let opening = text.chars().next()?;
    let closing = if opening == '`' { '`' } else { QUOTATION_MARKS.iter().find(|(open, _)| *open == opening)?.1 };
    let inside = &text[opening.len_utf8()..];
    let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    if opening == '\'' && (word(before.chars().next_back()) || inside.starts_with(char::is_whitespace)) {
        return None;
    }
    let closes = |&(at, mark): &(usize, char)| {
        mark == closing && (!matches!(closing, '\'' | '’') || !word(inside[at + mark.len_utf8()..].chars().next()))
    };
    let (at, mark) = inside.char_indices().find(closes)?;
    Some(opening.len_utf8() + at + mark.len_utf8())
}

/// The spans of the sentences, each with its punctuation mark.
pub(super) fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut sentences = Vec::new();
    let mut start = 0;
    for (at, mark) in text.char_indices() {
        let after = at + mark.len_utf8();
        let ends = match mark {
            '\n' => true,
            '.' => is_boundary(text, after) && !is_abbreviation(&text[start..at]),
            '!' | '?' | '…' | ';' => is_boundary(text, after),
            _ => false,
        };
        if ends {
            sentences.push(start..after);
            start = after;
        }
    }
    sentences.push(start..text.len());
    let trimmed = sentences.into_iter().map(|span| {
        let sentence = &text[span.clone()];
        let start = span.start + sentence.len() - sentence.trim_start().len();
        start..start + sentence.trim().len()
    });
    trimmed.filter(|span| !span.is_empty()).collect()
}

fn is_boundary(text: &str, at: usize) -> bool {
    text[at..].chars().next().is_none_or(|next| next.is_whitespace() || ")]\"'”".contains(next))
}

/// A title, an initial, or the end of "a.m.".
fn is_abbreviation(before: &str) -> bool {
    let word = before.rsplit([' ', '.', '(']).next().unwrap_or_default();
    let initial = word.chars().count() == 1 && word != "I" && word.chars().all(char::is_alphabetic);
    initial || ABBREVIATIONS.contains(&word.to_lowercase().as_str())
}
