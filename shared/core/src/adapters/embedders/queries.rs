//! An embedder that remembers the vectors of queries, and embeds concurrent ones in one call.
//!
//! The same question is often asked again: by a retry, by another user of a persona, by a page that searches as it is
//! typed. The cache lives as long as the embedder, so all of its vectors are of one model. A query whose callers have
//! all given up is cancelled: the circuit breaker below takes that for a timeout, as without batches.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use futures::future::{join_all, try_join_all};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{
    batch::{Batch, Batcher},
    lifecycle::Tasks,
    ports::{EmbedError, Embedder},
};

const MAX_CACHED_QUERIES: usize = 1_000;
/// Longer queries are not cached: they would take memory, and are hardly ever asked twice.
const MAX_CACHED_BYTES: usize = 4_096;
/// Calls in flight.
const LANES: usize = 2;

pub struct QueryCacheEmbedder {
    inner: Arc<dyn Embedder>,
    queries: Batcher<QueryBatch>,
    cache: Mutex<Cache>,
}

impl QueryCacheEmbedder {
    pub fn start(inner: Arc<dyn Embedder>, tasks: &Tasks) -> Self {
        let batch = QueryBatch { inner: inner.clone() };
        let queries = Batcher::start(batch, LANES, inner.batch(), tasks);
        Self { inner, queries, cache: Mutex::default() }
    }

    async fn embed_query(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        if let Some(vector) = self.cache.lock().get(text) {
            return Ok(vector);
        }
        let given_up = CancellationToken::new();
        let query = Query { text: text.to_owned(), given_up: given_up.clone() };
        let cancel_on_drop = given_up.drop_guard();
        let vector = match self.queries.call(query).await {
            Some(answer) => answer.map_err(|error| EmbedError::clone(&error))?,
            // The lanes end at the shutdown, before the last replies.
            None => self.inner.embed_queries(&[text.to_owned()]).await?.pop().ok_or_else(no_vector)?,
        };
        drop(cancel_on_drop);
        self.cache.lock().insert(text, &vector);
        Ok(vector)
    }
}

#[async_trait]
impl Embedder for QueryCacheEmbedder {
    async fn embed(&self, passages: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.inner.embed(passages).await
    }

    async fn embed_queries(&self, queries: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        try_join_all(queries.iter().map(|text| self.embed_query(text))).await
    }

    fn model(&self) -> &str {
        self.inner.model()
    }

    fn dimension(&self) -> usize {
        self.inner.dimension()
    }

    fn batch(&self) -> usize {
        self.inner.batch()
    }
}

struct Query {
    text: String,
    /// Cancelled when the caller no longer waits.
    given_up: CancellationToken,
}

struct QueryBatch {
    inner: Arc<dyn Embedder>,
}

impl Batch for QueryBatch {
    type Item = Query;
    type Answer = Vec<f32>;
    type Error = EmbedError;

    const NAME: &'static str = "embed_queries";

    async fn run(&self, queries: &[Query]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let texts: Vec<_> = queries.iter().map(|query| query.text.clone()).collect();
        tokio::select! {
            biased;
            // First, so that queries that were given up while they were queued make no call.
            _ = join_all(queries.iter().map(|query| query.given_up.cancelled())) => Err(unavailable("given up")),
            vectors = self.inner.embed_queries(&texts) => match vectors {
                Ok(vectors) if vectors.len() != texts.len() => Err(no_vector()),
                vectors => vectors,
            },
        }
    }

    fn may_concern_one_item(error: &EmbedError) -> bool {
        matches!(error, EmbedError::Refused(_))
    }
}

fn unavailable(why: &str) -> EmbedError {
    EmbedError::Unavailable { why: why.to_owned(), retry_after: None }
}

fn no_vector() -> EmbedError {
    unavailable("it sent no vector for a query")
}

/// The most recently used vectors by their texts.
#[derive(Default)]
struct Cache {
    entries: HashMap<String, Entry>,
    /// Counts uses.
    now: u64,
}

struct Entry {
    vector: Vec<f32>,
    last_used: u64,
}

impl Cache {
    fn get(&mut self, text: &str) -> Option<Vec<f32>> {
        let entry = self.entries.get_mut(text)?;
        self.now += 1;
        entry.last_used = self.now;
        Some(entry.vector.clone())
    }

    /// When full, evicts the least recently used. A scan of them all takes microseconds, an embedding milliseconds.
    fn insert(&mut self, text: &str, vector: &[f32]) {
        if text.len() > MAX_CACHED_BYTES {
            return;
        }
        if self.entries.len() >= MAX_CACHED_QUERIES && !self.entries.contains_key(text) {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.last_used);
            if let Some(oldest) = oldest.map(|(text, _)| text.clone()) {
                self.entries.remove(&oldest);
            }
        }
        self.now += 1;
        self.entries.insert(text.to_owned(), Entry { vector: vector.to_vec(), last_used: self.now });
    }
}

#[cfg(test)]
mod tests;
