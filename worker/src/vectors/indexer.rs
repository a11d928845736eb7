//! Indexes changed passages.

use std::{collections::HashMap, sync::Arc, time::Duration};

use sqlx::PgPool;
use troupe_core::{
    config,
    ids::{PassageId, PersonaId},
    ports::{EmbedError, Embedder, Point, VectorStore},
};
use troupe_db::knowledge::{
    embeddings::{self, Content},
    vector_work::{self, Subject, Work},
};

use super::VectorError;

/// The lease of work, beyond the timeout for embedding it.
const LEASE: Duration = Duration::from_secs(20);
/// The pause after the embedder refused a text: the model may be another one by then.
const REFUSED_PAUSE: Duration = Duration::from_hours(6);

pub(super) struct Indexer {
    pub(super) pool: PgPool,
    pub(super) embedder: Arc<dyn Embedder>,
    pub(super) store: Arc<dyn VectorStore>,
    pub(super) settings: config::Embeddings,
}

impl Indexer {
    /// Fails if embedder or store do not fit the configuration. Outages only log a warning.
    pub(super) async fn check(&self) -> Result<(), VectorError> {
        let store = async { self.store.searched().await.map(drop).map_err(VectorError::from) };
        let embedder =
            async { self.embedder.embed(&["dimension".to_owned()]).await.map(drop).map_err(VectorError::from) };
        let (store, embedder) = tokio::join!(store, embedder);
        for error in [store.err(), embedder.err()].into_iter().flatten() {
            if error.is_unfit() {
                return Err(error);
            }
            tracing::warn!(%error, "retrieval by vectors does not work yet");
        }
        Ok(())
    }

    /// Processes a batch of due work; returns its size. On a failure it is due again after the pause.
    pub(super) async fn round(&self, pause: impl Fn(&VectorError) -> Duration) -> Result<usize, VectorError> {
        let lease = LEASE + self.settings.timeout;
        let work = vector_work::take(&self.pool, self.batch() as i64, lease).await?;
        if work.is_empty() {
            return Ok(0);
        }
        match self.catch_up(&work).await {
            Ok(()) => Ok(work.len()),
            Err(error) => {
                if let Err(error) = vector_work::postpone(&self.pool, &work, pause(&error)).await {
                    tracing::debug!(%error, "not postponed; it is due when its lease ends");
                }
                Err(error)
            }
        }
    }

    pub(super) fn batch(&self) -> usize {
        self.embedder.batch()
    }

    async fn catch_up(&self, work: &[Work]) -> Result<(), VectorError> {
        let (personas, passages): (Vec<_>, Vec<_>) =
            work.iter().cloned().partition(|work| work.subject == Subject::Persona);
        for work in &personas {
            self.store.remove_persona(work.persona).await?;
        }
        vector_work::done(&self.pool, &personas).await?;

        let mut passages: HashMap<_, _> =
            passages.into_iter().filter_map(|work| Some((passage_of(&work)?, work))).collect();
        let ids: Vec<_> = passages.keys().copied().collect();
        self.embed_missing(&ids).await?;
        let points = embeddings::points(&self.pool, self.embedder.model(), &ids).await?;
        self.store.upsert(&points).await?;
        let given: Vec<_> = points.iter().filter_map(|point| passages.remove(&point.passage)).collect();
        vector_work::given(&self.pool, self.embedder.model(), &given).await?;

        let ids: Vec<_> = passages.keys().copied().collect();
        let gone = embeddings::gone(&self.pool, &ids).await?;
        let gone: Vec<_> = gone.iter().filter_map(|passage| passages.remove(passage)).collect();
        self.remove(&gone).await?;
        let refused: Vec<_> = passages.into_values().collect();
        Ok(vector_work::postpone(&self.pool, &refused, REFUSED_PAUSE).await?)
    }

    /// Embeds the contents of these passages that have no vector yet. Refused ones are skipped.
    pub(super) async fn embed_missing(&self, passages: &[PassageId]) -> Result<(), VectorError> {
        let contents = embeddings::missing(&self.pool, self.embedder.model(), passages).await?;
        for contents in contents.chunks(self.batch()) {
            match self.embed(contents).await {
                Err(VectorError::Embedder(EmbedError::Refused(_))) => {
                    for content in contents {
                        self.embed_or_leave(content).await?;
                    }
                }
                embedded => embedded?,
            }
        }
        Ok(())
    }

    async fn embed(&self, contents: &[Content]) -> Result<(), VectorError> {
        let texts: Vec<_> = contents.iter().map(|content| content.content.clone()).collect();
        let vectors = self.embedder.embed(&texts).await?;
        Ok(embeddings::keep(&self.pool, self.embedder.model(), contents, &vectors).await?)
    }

    async fn embed_or_leave(&self, content: &Content) -> Result<(), VectorError> {
        match self.embed(std::slice::from_ref(content)).await {
            Err(VectorError::Embedder(EmbedError::Refused(why))) => {
                tracing::warn!(why, bytes = content.content.len(), "a passage cannot be found by its vector");
                Ok(())
            }
            embedded => embedded,
        }
    }

    async fn remove(&self, work: &[Work]) -> Result<(), VectorError> {
        let mut by_persona: HashMap<PersonaId, Vec<PassageId>> = HashMap::new();
        for work in work {
            by_persona.entry(work.persona).or_default().extend(passage_of(work));
        }
        for (persona, passages) in by_persona {
            self.store.remove(persona, &passages).await?;
        }
        let digests: Vec<_> = work.iter().filter_map(|work| work.digest.clone()).collect();
        embeddings::remove_unused(&self.pool, &digests).await?;
        Ok(vector_work::done(&self.pool, work).await?)
    }

    /// Removes points again whose passages were deleted during the insert.
    pub(super) async fn remove_gone(&self, points: &[Point]) -> Result<(), VectorError> {
        let ids: Vec<_> = points.iter().map(|point| point.passage).collect();
        let gone = embeddings::gone(&self.pool, &ids).await?;
        for point in points.iter().filter(|point| gone.contains(&point.passage)) {
            self.store.remove(point.persona, &[point.passage]).await?;
        }
        Ok(())
    }
}

const fn passage_of(work: &Work) -> Option<PassageId> {
    match work.subject {
        Subject::Passage(passage) => Some(passage),
        Subject::Persona => None,
    }
}
