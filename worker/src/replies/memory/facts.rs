//! Plain statements about themselves in what users say, in English: "my name is", "I live in", "I am allergic to"…
//!
//! Deterministic, and rather too careful: what is a question, a quotation, a condition or somebody else's words is no fact. A
//! statement is kept as it was said, so that a "not" in it stays.

mod patterns;
mod sentences;

use std::ops::Range;

use patterns::{
    ANECDOTE, ASIDE, HYPOTHETICAL, LEAD_IN, NEXT_STATEMENT, NOTHING_SAID, QUESTION, REMEMBER, REPORTED, SOMEBODY_ELSES,
    STATEMENTS, TRAILER,
};
use sentences::{sentences, without_quotations};

/// The most that one message tells.
const MOST_FACTS: usize = 10;
/// What is longer, in characters, is no plain statement.
const LONGEST: usize = 300;
const SHORTEST: usize = 5;
/// Who sends more, in bytes, hands on a text that was written elsewhere.
const LONGEST_MESSAGE: usize = 4_000;

/// What a message says of the one who sent it, in the order in which it is said.
pub(super) fn of(message: &str) -> Vec<String> {
    let mut facts: Vec<String> = Vec::new();
    if message.len() > LONGEST_MESSAGE {
        return facts;
    }
    let plain = without_quotations(message);
    if SOMEBODY_ELSES.is_match(&plain) {
        return facts;
    }
    for statement in sentences(&plain).into_iter().flat_map(|sentence| statements(&plain, sentence)) {
        // With the quotations that were blanked out.
        let words: Vec<_> = message.get(statement).unwrap_or_default().split_whitespace().collect();
        let fact = capitalised(&words.join(" "));
        let fits = (SHORTEST..=LONGEST).contains(&fact.chars().count());
        if fits && !facts.iter().any(|known| known.to_lowercase() == fact.to_lowercase()) {
            facts.push(fact);
        }
    }
    facts.truncate(MOST_FACTS);
    facts
}

/// The places of the statements in a sentence.
fn statements(text: &str, sentence: Range<usize>) -> Vec<Range<usize>> {
    let mut whole = sentence;
    if text[whole.clone()].trim_end_matches(['!', '.', ')']).ends_with('?') {
        // "I am vegetarian, what can I cook?" states something before it asks.
        let Some(asks) = QUESTION.find(&text[whole.clone()]) else { return Vec::new() };
        whole.end = whole.start + asks.start();
    }
    let said = &text[whole.clone()];
    if HYPOTHETICAL.is_match(said) {
        return Vec::new();
    }
    let (mut found, mut clause) = (Vec::new(), whole.start);
    for next in NEXT_STATEMENT.captures_iter(said) {
        let (Some(border), Some(start)) = (next.get(0), next.get(2)) else { continue };
        let before = statement(text, clause..whole.start + border.start());
        // Between "my brother" and "my sister are teachers" nothing ends.
        let goes_on = next.get(1).is_some() && before.is_none();
        if goes_on || REPORTED.is_match(&said[..border.start()]) {
            continue;
        }
        found.extend(before);
        clause = whole.start + start.start();
    }
    found.extend(statement(text, clause..whole.end));
    found
}

/// The place of the fact in a clause, if it states one.
fn statement(text: &str, clause: Range<usize>) -> Option<Range<usize>> {
    let lead_in = LEAD_IN.find(&text[clause.clone()]).map_or(0, |found| found.end());
    let mut place = clause.start + lead_in..clause.end;
    let said = &text[place.clone()];
    if let Some(asked) = REMEMBER.captures(said) {
        let told = asked.get(1).or(asked.get(2))?;
        if ANECDOTE.is_match(told.as_str()) {
            return None;
        }
        place.start += told.start();
    } else {
        let of_what = STATEMENTS.iter().find_map(|statement| statement.captures(said)?.get(1))?;
        if NOTHING_SAID.is_match(of_what.as_str()) {
            return None;
        }
    }
    if let Some(aside) = ASIDE.find(&text[place.clone()]) {
        place.end = place.start + aside.start();
    }
    place.end -= TRAILER.find(&text[place.clone()]).map_or(0, |found| found.len());
    Some(place)
}

fn capitalised(fact: &str) -> String {
    let mut letters = fact.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
