//! Retrieval for a reply: passages of the persona's knowledge, quoted in the prompt.
//!
//! Only for personas that have passages; for others there is no search.

use troupe_core::{model::Role, trace};
use troupe_db::{
    replies::claim::{Claimed, Turn},
    retrieval::{Retrieved, Retriever},
};

/// A question with fewer words may be about the question before it.
const MIN_QUESTION_WORDS: usize = 4;

/// The passages for the question; `None` where the persona has none at all.
pub(crate) async fn look_up(retriever: &Retriever, claimed: &Claimed) -> Option<Retrieved> {
    if !claimed.persona.has_passages {
        return None;
    }
    let mut span = trace::span("retrieve");
    let found = span.scope(search(retriever, claimed)).await;
    if span.is_recorded() {
        span.set("troupe.retrieval.mode", found.mode.to_string());
        span.set("troupe.retrieval.passages", found.passages.len());
    }
    tracing::debug!(mode = %found.mode, passages = found.passages.len(), "looked up");
    Some(found)
}

async fn search(retriever: &Retriever, claimed: &Claimed) -> Retrieved {
    let found = retriever.retrieve(claimed.persona.id, &question(&claimed.history)).await;
    let named = found.passages.iter().any(|ranked| ranked.ranks.keyword.is_some());
    match question_in_context(&claimed.history) {
        Some(question) if !named => retriever.retrieve(claimed.persona.id, &question).await,
        _ => found,
    }
}

fn question(history: &[Turn]) -> String {
    questions(history).next().unwrap_or_default()
}

/// A short question after the one before it: "and where?" names nothing by itself.
fn question_in_context(history: &[Turn]) -> Option<String> {
    let mut questions = questions(history);
    let question = questions.next()?;
    let short = question.split_whitespace().count() < MIN_QUESTION_WORDS;
    let before = questions.next().filter(|_| short)?;
    Some(format!("{before} {question}"))
}

/// What the user asked, the last first.
fn questions(history: &[Turn]) -> impl Iterator<Item = String> {
    let questions = history.iter().filter(|turn| turn.role == Role::User);
    questions.map(|turn| turn.content.split_whitespace().map(without_operators).collect::<Vec<_>>().join(" "))
}

/// Removes search operators: a question does not mean them.
fn without_operators(word: &str) -> &str {
    word.trim_matches(['"', '-'])
}

/// The passages as the prompt quotes them.
pub(crate) fn quotations(retrieved: &Retrieved) -> Vec<String> {
    retrieved.passages.iter().map(|ranked| ranked.passage.content.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(role: Role, content: &str) -> Turn {
        Turn { role, content: content.to_owned() }
    }

    #[test]
    fn a_short_question_may_be_about_the_one_before() {
        let before = [turn(Role::Assistant, "On the cape."), turn(Role::User, "Where did you grow up?")];
        let history = |question: &str| [&[turn(Role::User, question)], &before[..]].concat();
        assert_eq!(question(&history("And why there?")), "And why there?");
        let in_context = question_in_context(&history("And why there?"));
        assert_eq!(in_context.as_deref(), Some("Where did you grow up? And why there?"));
        assert_eq!(question_in_context(&history("What did your mother do all day?")), None);
        assert_eq!(question_in_context(&[turn(Role::User, "Why?")]), None);
        assert_eq!((question(&[]), question_in_context(&[])), (String::new(), None));
        assert_eq!(question(&history("I \"love\" the sea -really")), "I love the sea really");
    }
}
