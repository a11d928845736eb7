//! Vector search in the passages of a persona.
//!
//! An index of one embedding model over what PostgreSQL has; it can be lost and rebuilt. Every search is filtered by
//! persona, in exactly one place of each implementation.

use async_trait::async_trait;
use uuid::Uuid;

use super::PortError;
use crate::ids::{PassageId, PersonaId};

/// A passage in the index.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub passage: PassageId,
    pub persona: PersonaId,
    /// The response or document.
    pub source: Uuid,
    /// Of length 1.
    pub vector: Vec<f32>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    pub passage: PassageId,
    /// The cosine: 1 is the same direction.
    pub score: f32,
}

/// An index of the store, which may have several, one of which is searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    pub name: String,
    /// Whether this call created it, empty.
    pub made: bool,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum VectorStoreError {
    /// Not retryable.
    #[error("the vector store does not fit: {0}")]
    Unfit(String),
    /// A search before the first index was finished.
    #[error("the vector store has no index that is searched yet")]
    NoIndex,
    #[error(transparent)]
    Failed(#[from] PortError),
}

#[async_trait]
pub trait VectorStore: Send + Sync {
    /// The searched index, if there is one. An index of another dimension is an error.
    async fn searched(&self) -> Result<Option<Index>, VectorStoreError>;

    /// Inserts or replaces the vectors of these passages. Idempotent. Does nothing without an index: a rebuild reads
    /// all passages.
    async fn upsert(&self, points: &[Point]) -> Result<(), VectorStoreError>;

    /// Removes these passages, as far as they exist.
    async fn remove(&self, persona: PersonaId, passages: &[PassageId]) -> Result<(), VectorStoreError>;

    /// Removes all passages of a persona.
    async fn remove_persona(&self, persona: PersonaId) -> Result<(), VectorStoreError>;

    /// The nearest passages of this persona only: the best first.
    async fn search(&self, persona: PersonaId, vector: &[f32], limit: usize) -> Result<Vec<Found>, VectorStoreError>;

    /// Starts a new index beside the searched one, or continues an unfinished one. From then on it receives all
    /// changes, too. For one process at a time.
    async fn begin(&self) -> Result<Index, VectorStoreError>;

    /// Inserts into this index only.
    async fn fill(&self, index: &Index, points: &[Point]) -> Result<(), VectorStoreError>;

    /// Replaces the searched index by this one, and removes older ones.
    async fn finish(&self, index: &Index) -> Result<(), VectorStoreError>;
}
