//! What a persona knows of a matter: looked up before a reply, and told to the model as quotations.
//!
//! Only for personas that know anything; for others nothing is looked up.

use troupe_core::model::Role;
use troupe_db::{
    replies::claim::{Claimed, Turn},
    retrieval::{Retrieved, Retriever},
};

/// A question with fewer words is about what was asked before.
const FEW_WORDS: usize = 5;

/// The passages that the question is about; `None` where the persona has none at all.
pub(crate) async fn look_up(retriever: &Retriever, claimed: &Claimed) -> Option<Retrieved> {
    if !claimed.persona.knows {
        return None;
    }
    let found = retriever.retrieve(claimed.persona.id, &asked(&claimed.history)).await;
    tracing::debug!(mode = %found.mode, passages = found.passages.len(), "looked up");
    Some(found)
}

/// What is looked for: the question, and with a short one ("and where?") the question before it.
fn asked(history: &[Turn]) -> String {
    let mut questions = history.iter().filter(|turn| turn.role == Role::User).map(|turn| turn.content.as_str());
    let question = questions.next().unwrap_or_default();
    let enough = question.split_whitespace().count() >= FEW_WORDS;
    let before = if enough { None } else { questions.next() };
    before.into_iter().chain([question]).flat_map(str::split_whitespace).map(plain).collect::<Vec<_>>().join(" ")
}

/// Without the signs that mean something in a search: nobody who talks means them so.
fn plain(word: &str) -> &str {
    word.trim_matches(['"', '-'])
}

/// What a model is told of each passage: where it is from, and its words.
pub(crate) fn quotations(retrieved: &Retrieved) -> Vec<String> {
    retrieved.passages.iter().map(|ranked| ranked.passage.content.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(role: Role, content: &str) -> Turn {
        Turn { role, content: content.to_owned() }
    }

    #[test]
    fn a_short_question_is_looked_up_with_the_one_before() {
        let before = [said(Role::Assistant, "On the cape."), said(Role::User, "Where did you grow up?")];
        let history = |question: &str| [&[said(Role::User, question)], &before[..]].concat();
        assert_eq!(asked(&history("And why there?")), "Where did you grow up? And why there?");
        assert_eq!(asked(&history("What did your mother do all day?")), "What did your mother do all day?");
        assert_eq!(asked(&[said(Role::User, "Why?")]), "Why?");
        assert_eq!(asked(&[]), "");
        assert_eq!(asked(&history("I \"love\" the sea -really")), "I love the sea really");
    }
}
