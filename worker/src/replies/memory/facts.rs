//! Extracts plain statements of users about themselves, in English: "my name is", "I live in", "I am allergic to"…
//!
//! Deterministic, and conservative: a question, a quotation, a condition or another person's text is no fact. A
//! statement is kept verbatim, so that a negation is not lost.

mod patterns;
mod sentences;

use std::ops::Range;

use patterns::{
    ANECDOTE, ASIDE, FOREIGN_TEXT, HYPOTHETICAL, LEAD_IN, NEXT_STATEMENT, QUESTION, REMEMBER, REPORTED, STATEMENTS,
    TRAILER, VAGUE,
};
use sentences::{sentences, without_quotations};

/// Per message.
const MAX_FACTS: usize = 10;
/// Longer clauses are not plain statements.
const MAX_FACT_CHARS: usize = 300;
const MIN_FACT_CHARS: usize = 5;
/// Longer messages are probably pasted texts.
const MAX_MESSAGE_BYTES: usize = 4_000;

/// The facts that a message states about its sender, in their order.
pub(super) fn extract(message: &str) -> Vec<String> {
    let mut facts: Vec<String> = Vec::new();
    if message.len() > MAX_MESSAGE_BYTES {
        return facts;
    }
    let plain = without_quotations(message);
    if FOREIGN_TEXT.is_match(&plain) {
        return facts;
    }
    for statement in sentences(&plain).into_iter().flat_map(|sentence| statements(&plain, sentence)) {
        // From the message itself: quotations are blanked out in `plain`.
        let words: Vec<_> = message.get(statement).unwrap_or_default().split_whitespace().collect();
        let fact = capitalised(&words.join(" "));
        let fits = (MIN_FACT_CHARS..=MAX_FACT_CHARS).contains(&fact.chars().count());
        if fits && !facts.iter().any(|known| known.to_lowercase() == fact.to_lowercase()) {
            facts.push(fact);
        }
    }
    facts.truncate(MAX_FACTS);
    facts
}

/// The spans of the statements in a sentence.
fn statements(text: &str, sentence: Range<usize>) -> Vec<Range<usize>> {
    let mut whole = sentence;
    if text[whole.clone()].trim_end_matches(['!', '.', ')']).ends_with('?') {
        // "I am vegetarian, what can I cook?" is a statement and a question.
        let Some(asks) = QUESTION.find(&text[whole.clone()]) else { return Vec::new() };
        whole.end = whole.start + asks.start();
    }
    let clauses = &text[whole.clone()];
    if HYPOTHETICAL.is_match(clauses) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut clause = whole.start;
    for next in NEXT_STATEMENT.captures_iter(clauses) {
        let (Some(border), Some(start)) = (next.get(0), next.get(2)) else { continue };
        let before = statement(text, clause..whole.start + border.start());
        // There is no boundary between "my brother" and "my sister are teachers".
        let continues = next.get(1).is_some() && before.is_none();
        if continues || REPORTED.is_match(&clauses[..border.start()]) {
            continue;
        }
        found.extend(before);
        clause = whole.start + start.start();
    }
    found.extend(statement(text, clause..whole.end));
    found
}

/// The span of the fact in a clause, if it states one.
fn statement(text: &str, clause: Range<usize>) -> Option<Range<usize>> {
    let lead_in = LEAD_IN.find(&text[clause.clone()]).map_or(0, |found| found.end());
    let mut span = clause.start + lead_in..clause.end;
    let words = &text[span.clone()];
    if let Some(request) = REMEMBER.captures(words) {
        let fact = request.get(1).or(request.get(2))?;
        if ANECDOTE.is_match(fact.as_str()) {
            return None;
        }
        span.start += fact.start();
    } else {
        let object = STATEMENTS.iter().find_map(|statement| statement.captures(words)?.get(1))?;
        if VAGUE.is_match(object.as_str()) {
            return None;
        }
    }
    if let Some(aside) = ASIDE.find(&text[span.clone()]) {
        span.end = span.start + aside.start();
    }
    span.end -= TRAILER.find(&text[span.clone()]).map_or(0, |found| found.len());
    Some(span)
}

fn capitalised(fact: &str) -> String {
    let mut characters = fact.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
