//! The finders: each returns the spans of one kind of secret.

use std::ops::Range;

use super::{
    Found, Kind,
    shapes::{DIGITS, EMAIL, HEADER, IN_ADDRESS, NAMES, PASSWORD_IS, PRIVATE_KEY, RUN, SCHEME, TOKEN},
};

/// The maximum distance from a secret back to its name, in bytes.
const NAMED_WITHIN: usize = 60;
/// Groups of card numbers: 4-4-4-4-3 is the longest.
const MAX_GROUPS: usize = 5;

pub(super) fn find(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut add = |kind, spans: &mut dyn Iterator<Item = Range<usize>>| {
        found.extend(spans.map(|span| Found { span, kind }));
    };
    add(Kind::Secret, &mut PRIVATE_KEY.find_iter(text).map(|key| key.range()));
    add(Kind::Secret, &mut groups(&TOKEN, text));
    add(Kind::Secret, &mut groups(&HEADER, text));
    add(Kind::Secret, &mut groups(&SCHEME, text).filter(|span| is_credential(&text[span.clone()])));
    add(Kind::Secret, &mut groups(&IN_ADDRESS, text));
    add(Kind::Secret, &mut PASSWORD_IS.find_iter(text).filter_map(|words| password(text, words.end())));
    add(Kind::Secret, &mut RUN.find_iter(text).map(|run| run.range()).filter(|run| is_named_secret(text, run)));
    add(Kind::Email, &mut EMAIL.find_iter(text).map(|address| address.range()));
    add(Kind::Card, &mut DIGITS.find_iter(text).flat_map(|digits| cards(text, digits.range())));
    found
}

fn groups<'t>(pattern: &'static regex::Regex, text: &'t str) -> impl Iterator<Item = Range<usize>> + use<'t> {
    pattern.captures_iter(text).filter_map(|found| Some(found.get(1)?.range()))
}

/// Excludes ordinary text such as "basic understanding" and "the bearer 2024-2025".
fn is_credential(value: &str) -> bool {
    let (letters, digits) = (value.bytes().any(|b| b.is_ascii_alphabetic()), value.bytes().any(|b| b.is_ascii_digit()));
    let padded = value.ends_with('=') && value.len().is_multiple_of(4);
    (letters && digits && !value.contains('-')) || looks_random(value) || padded || value.len() >= 32
}

/// The value after a name such as "password", if it has digits or marks: ordinary words have none.
fn password(text: &str, from: usize) -> Option<Range<usize>> {
    let ends = |c: char| c.is_whitespace() || "\"'`,;<>".contains(c);
    let value = text[from..].split(ends).next().unwrap_or_default();
    let value = value.trim_end_matches(['.', '!', '?', ')', ']', '}', ':', '*']);
    let letters = value.chars().any(char::is_alphabetic);
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let marks = value.chars().any(|c| "!@#$%^&*+=~|\\?".contains(c));
    let secret = value.len() >= 4 && ((letters && (digits > 0 || marks)) || digits >= 4);
    secret.then(|| from..from + value.len())
}

/// A run of random characters, after a name on the same line.
fn is_named_secret(text: &str, run: &Range<usize>) -> bool {
    if !looks_random(&text[run.clone()]) {
        return false;
    }
    let mut from = run.start.saturating_sub(NAMED_WITHIN);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let before = text[from..run.start].rsplit('\n').next().unwrap_or_default();
    NAMES.is_match(before) || NAMES.is_match(&text[run.clone()])
}

/// Whether it looks random: hexadecimal with digits, or frequent changes between digits and kinds of letters.
fn looks_random(run: &str) -> bool {
    run.trim_end_matches('=').split(['_', '-', '/', '+']).chain([run]).any(|part| {
        let plain: Vec<u8> = part.bytes().filter(u8::is_ascii_alphanumeric).collect();
        if plain.len() < 16 || !plain.iter().any(u8::is_ascii_digit) {
            return false;
        }
        let changes = plain.windows(2).filter(|two| kind_of(two[0]) != kind_of(two[1])).count();
        plain.iter().all(u8::is_ascii_hexdigit) || changes * 5 >= plain.len()
    })
}

fn kind_of(letter: u8) -> u8 {
    match letter {
        b'0'..=b'9' => 0,
        b'a'..=b'z' => 1,
        _ => 2,
    }
}

/// Groups of digits that form a card number, without adjacent numbers such as a year or an amount.
fn cards(text: &str, span: Range<usize>) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    for (at, letter) in text[span.clone()].char_indices().map(|(at, letter)| (span.start + at, letter)) {
        match groups.last_mut() {
            Some(group) if letter.is_ascii_digit() && group.end == at => group.end += 1,
            _ if letter.is_ascii_digit() => groups.push(at..at + 1),
            _ => {}
        }
    }
    let (mut found, mut first) = (Vec::new(), 0);
    while first < groups.len() {
        let card =
            (first..groups.len().min(first + MAX_GROUPS)).rev().find(|&last| is_card(text, &groups[first..=last]));
        if let Some(last) = card {
            found.push(groups[first].start..groups[last].end);
        }
        first = card.unwrap_or(first) + 1;
    }
    found
}

/// Whether it is a possible card number with a valid Luhn check digit.
fn is_card(text: &str, groups: &[Range<usize>]) -> bool {
    let length: usize = groups.iter().map(ExactSizeIterator::len).sum();
    // A sequence of small numbers is none, even with a valid check digit.
    let shown_so =
        groups.len() == 1 || (groups[0].len() == 4 && groups.iter().rev().skip(1).all(|group| group.len() >= 4));
    if !(13..=19).contains(&length) || !shown_so {
        return false;
    }
    let digits = groups.iter().flat_map(|group| text[group.clone()].bytes()).map(|digit| u32::from(digit - b'0'));
    let doubled = |(position, digit): (usize, u32)| match (position % 2, digit * 2) {
        (0, _) => digit,
        (_, twice) => twice / 10 + twice % 10,
    };
    let digits: Vec<u32> = digits.collect();
    (2..=6).contains(&digits[0]) && digits.into_iter().rev().enumerate().map(doubled).sum::<u32>().is_multiple_of(10)
}
