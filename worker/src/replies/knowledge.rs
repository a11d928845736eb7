//! Retrieval for a reply: passages of the persona's knowledge, quoted in the prompt.
//!
//! Only for personas that have passages; for others there is no search.

use troupe_core::model::Role;
use troupe_db::{
    replies::claim::{Claimed, Turn},
    retrieval::{Retrieved, Retriever},
};

/// A question with fewer words is about the question before it.
const MIN_QUESTION_WORDS: usize = 4;

/// The passages for the question; `None` where the persona has none at all.
pub(crate) async fn look_up(retriever: &Retriever, claimed: &Claimed) -> Option<Retrieved> {
    if !claimed.persona.has_passages {
        return None;
    }
    let found = retriever.retrieve(claimed.persona.id, &query(&claimed.history)).await;
    tracing::debug!(mode = %found.mode, passages = found.passages.len(), "looked up");
    Some(found)
}

/// The query: the question, and with a short one ("and where?") the question before it.
fn query(history: &[Turn]) -> String {
    let mut questions = history.iter().filter(|turn| turn.role == Role::User).map(|turn| turn.content.as_str());
    let question = questions.next().unwrap_or_default();
    let enough = question.split_whitespace().count() >= MIN_QUESTION_WORDS;
    let before = if enough { None } else { questions.next() };
    let words = before.into_iter().chain([question]).flat_map(str::split_whitespace);
    words.map(without_operators).collect::<Vec<_>>().join(" ")
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
    fn a_short_question_is_looked_up_with_the_one_before() {
        let before = [turn(Role::Assistant, "On the cape."), turn(Role::User, "Where did you grow up?")];
        let history = |question: &str| [&[turn(Role::User, question)], &before[..]].concat();
        assert_eq!(query(&history("And why there?")), "Where did you grow up? And why there?");
        assert_eq!(query(&history("What did your mother do all day?")), "What did your mother do all day?");
        assert_eq!(query(&[turn(Role::User, "Why?")]), "Why?");
        assert_eq!(query(&[]), "");
        assert_eq!(query(&history("I \"love\" the sea -really")), "I love the sea really");
    }
}
