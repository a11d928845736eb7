//! What a persona knows that has to do with a question.
//!
//! Two searches run side by side: by words in PostgreSQL, and by meaning in the vector store. Their ranks are fused
//! ([`fusion`]), and of the best those are told that differ. Neither search may hold up a reply: one that fails or
//! takes too long is done without, and the receipt says so. Indexes say only which passages may fit; what is told comes
//! from PostgreSQL, asked for that persona. So whatever an index remembers wrongly, nobody's words are another's, and
//! what was deleted is not said any more.

mod fusion;
mod nearest;

use std::{future::Future, sync::Arc};

use sqlx::PgPool;
use tokio::time::timeout;
use troupe_core::{
    clock::Clock,
    config::Retrieval as Settings,
    ids::PersonaId,
    model::grounding::{Grounding, Mode, Source},
    ports::{EmbedError, Embedder, VectorStore},
};

use crate::knowledge::passages::{self, Passage};

pub use fusion::{Places, Ranked};
pub use nearest::{NearPassage, NearestError, nearest};

pub struct Retriever {
    pub pool: PgPool,
    pub embedder: Arc<dyn Embedder>,
    pub store: Arc<dyn VectorStore>,
    pub settings: Settings,
    pub clock: Arc<dyn Clock>,
}

/// What was found, the best first.
#[derive(Debug, Clone)]
pub struct Retrieved {
    pub mode: Mode,
    pub passages: Vec<Ranked>,
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("it took too long")]
    TooSlow,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Embedder(#[from] EmbedError),
    #[error(transparent)]
    Nearest(#[from] NearestError),
}

impl Retriever {
    /// What a reply to this question may draw on.
    pub async fn retrieve(&self, persona: PersonaId, question: &str) -> Retrieved {
        self.find(persona, question, self.settings.passages).await
    }

    /// The same with another number of passages at most.
    pub async fn find(&self, persona: PersonaId, question: &str, most: usize) -> Retrieved {
        let by_meaning = async {
            // A word that must not be there is near in meaning to what has it: then the words decide alone.
            if excludes(question) { None } else { self.in_time("by meaning", self.by_meaning(persona, question)).await }
        };
        let (keyword, vector) = tokio::join!(self.in_time("by words", self.by_words(persona, question)), by_meaning);
        let mode = match (&keyword, &vector) {
            (Some(_), Some(_)) => Mode::Hybrid,
            (Some(_), None) => Mode::Keyword,
            (None, Some(_)) => Mode::Vector,
            (None, None) => Mode::None,
        };
        let ranked =
            fusion::fuse(keyword.unwrap_or_default(), vector.unwrap_or_default(), &self.settings, self.clock.now());
        let passages = fusion::choose(ranked, most, &self.settings);
        let mode = if passages.is_empty() { Mode::None } else { mode };
        Retrieved { mode, passages }
    }

    async fn by_words(&self, persona: PersonaId, question: &str) -> Result<Vec<Passage>, Trouble> {
        Ok(passages::search(&self.pool, persona, question, self.settings.candidates).await?)
    }

    async fn by_meaning(&self, persona: PersonaId, question: &str) -> Result<Vec<NearPassage>, Trouble> {
        let Some(vector) = self.embedder.embed(&[question.to_owned()]).await?.pop() else { return Ok(Vec::new()) };
        let most = usize::try_from(self.settings.candidates).unwrap_or_default();
        let mut near = nearest(&self.pool, self.store.as_ref(), persona, &vector, most).await?;
        near.retain(|near| near.score >= self.settings.min_similarity);
        Ok(near)
    }

    async fn in_time<T>(&self, how: &str, search: impl Future<Output = Result<T, Trouble>>) -> Option<T> {
        let found = timeout(self.settings.timeout, search).await.unwrap_or(Err(Trouble::TooSlow));
        found.inspect_err(|trouble| tracing::warn!(%trouble, "passages were not searched {how}")).ok()
    }
}

impl Retrieved {
    /// The receipt.
    pub fn grounding(&self) -> Grounding {
        let source = |ranked: &Ranked| Source {
            passage_id: ranked.passage.id,
            source_kind: ranked.passage.source_kind,
            source_id: ranked.passage.source_id,
            score: ranked.score,
        };
        Grounding { mode: self.mode, sources: self.passages.iter().map(source).collect() }
    }
}

/// Whether words are named that must not be there, as the search by words understands it.
fn excludes(question: &str) -> bool {
    let named = |word: &str| {
        word.strip_prefix('-').is_some_and(|word| word.starts_with(|c: char| c == '"' || c.is_alphanumeric()))
    };
    question.split_whitespace().any(named)
}

#[cfg(test)]
mod tests {
    use super::excludes;

    #[test]
    fn a_hyphen_excludes_only_before_a_word() {
        assert!(excludes("lighthouse -lamp") && excludes("-\"the lamp\" lighthouse"));
        for plain in ["", "-", "- the lamp", "mother-in-law", "the sea -- and the lamp", "the sea — -"] {
            assert!(!excludes(plain), "{plain}");
        }
    }
}
