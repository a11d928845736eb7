//! Retrieval: the passages of a persona that are relevant to a question.
//!
//! Two searches run concurrently: keyword search in PostgreSQL, and vector search. Their ranks are fused ([`fusion`]),
//! and the best passages that differ are chosen. Neither search may delay a reply: one that fails or times out is
//! skipped, and the receipt records that. Indexes only suggest passages; their content is read from PostgreSQL, for
//! that persona. So a stale index can neither mix up personas nor bring back deleted content.

mod fusion;
mod nearest;

use std::{future::Future, sync::Arc};

use sqlx::PgPool;
use tokio::time::{Instant, timeout};
use troupe_core::{
    clock::Clock,
    config::Retrieval as Settings,
    ids::PersonaId,
    metrics::ObserveTime,
    model::grounding::{Grounding, Mode, Source},
    ports::{EmbedError, Embedder, VectorStore},
    trace::{self, Kind},
};

use crate::{
    knowledge::passages::{self, Passage},
    metrics::{ModeLabel, RETRIEVAL, SearchLabels},
};

pub use fusion::{Ranked, Ranks};
pub use nearest::{NearPassage, NearestError, nearest};

pub struct Retriever {
    pub pool: PgPool,
    pub embedder: Arc<dyn Embedder>,
    pub store: Arc<dyn VectorStore>,
    pub settings: Settings,
    pub clock: Arc<dyn Clock>,
}

/// The passages found, the best first.
#[derive(Debug, Clone)]
pub struct Retrieved {
    pub mode: Mode,
    pub passages: Vec<Ranked>,
}

#[derive(Debug, thiserror::Error)]
enum RetrievalError {
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
    /// The passages for a reply to this question.
    pub async fn retrieve(&self, persona: PersonaId, question: &str) -> Retrieved {
        self.find(persona, question, self.settings.passages).await
    }

    /// The same, with another maximum of passages.
    pub async fn find(&self, persona: PersonaId, question: &str, max_passages: usize) -> Retrieved {
        let vector_search = async {
            // An excluded word is near in meaning to passages that contain it: then only keywords are searched.
            if excludes(question) {
                None
            } else {
                self.with_timeout("meaning", self.vector_search(persona, question)).await
            }
        };
        let keyword_search = self.with_timeout("words", self.keyword_search(persona, question));
        let (keyword, vector) = tokio::join!(keyword_search, vector_search);
        let mode = match (&keyword, &vector) {
            (Some(_), Some(_)) => Mode::Hybrid,
            (Some(_), None) => Mode::Keyword,
            (None, Some(_)) => Mode::Vector,
            (None, None) => Mode::None,
        };
        let ranked =
            fusion::fuse(keyword.unwrap_or_default(), vector.unwrap_or_default(), &self.settings, self.clock.now());
        let passages = fusion::choose(ranked, max_passages, &self.settings);
        let mode = if passages.is_empty() { Mode::None } else { mode };
        RETRIEVAL.retrievals.get_or_create(&ModeLabel { mode: mode.name() }).inc();
        Retrieved { mode, passages }
    }

    async fn keyword_search(&self, persona: PersonaId, question: &str) -> Result<Vec<Passage>, RetrievalError> {
        let search = passages::search(&self.pool, persona, question, self.settings.candidates);
        Ok(trace::span("search words").scope(search).await?)
    }

    async fn vector_search(&self, persona: PersonaId, question: &str) -> Result<Vec<NearPassage>, RetrievalError> {
        let question = [question.to_owned()];
        let embedded = trace::span("embed").kind(Kind::Client).scope(self.embedder.embed_queries(&question)).await;
        let Some(vector) = embedded?.pop() else {
            return Ok(Vec::new());
        };
        let limit = usize::try_from(self.settings.candidates).unwrap_or_default();
        let search = nearest(&self.pool, self.store.as_ref(), persona, &vector, limit);
        let mut near = trace::span("search vectors").kind(Kind::Client).scope(search).await?;
        near.retain(|near| near.score >= self.settings.min_similarity);
        Ok(near)
    }

    async fn with_timeout<T>(
        &self,
        by: &'static str,
        search: impl Future<Output = Result<T, RetrievalError>>,
    ) -> Option<T> {
        let began = Instant::now();
        let found = timeout(self.settings.timeout, search).await.unwrap_or(Err(RetrievalError::TooSlow));
        let outcome = match &found {
            Ok(_) => "found",
            Err(RetrievalError::TooSlow) => "too_slow",
            Err(_) => "failed",
        };
        RETRIEVAL.duration.get_or_create(&SearchLabels { by, outcome }).observe_time(began.elapsed());
        found.inspect_err(|error| tracing::warn!(%error, "passages were not searched by {by}")).ok()
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

/// Whether the question excludes words, in the syntax of the keyword search.
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
