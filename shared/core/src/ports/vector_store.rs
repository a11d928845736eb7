//! Finds the passages of a persona whose vectors are nearest to one.
//!
//! An index over what PostgreSQL has, of one embedding model; it can be lost and made again. A persona's name goes with
//! every search, and it is each implementation's one place that keeps others' passages out.

use async_trait::async_trait;
use uuid::Uuid;

use super::PortError;
use crate::ids::{PassageId, PersonaId};

/// A passage as the index knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub passage: PassageId,
    pub persona: PersonaId,
    /// The response or document that it is from.
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

/// One index of the store: it may have several, of which one is searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    pub name: String,
    /// Whether it was made by this call, with nothing in it.
    pub made: bool,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum VectorStoreError {
    /// No waiting mends it.
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
    /// The index that is searched, if there is one. One that does not fit the model's dimension is an error.
    async fn searched(&self) -> Result<Option<Index>, VectorStoreError>;

    /// Adds these, or puts them in the place of those of the same passages. Doing it again changes nothing. Where there
    /// is no index yet, nothing is done: whoever makes one looks at all passages.
    async fn upsert(&self, points: &[Point]) -> Result<(), VectorStoreError>;

    /// Removes those of these that are there.
    async fn remove(&self, persona: PersonaId, passages: &[PassageId]) -> Result<(), VectorStoreError>;

    /// Removes all that a persona has.
    async fn remove_persona(&self, persona: PersonaId) -> Result<(), VectorStoreError>;

    /// The nearest passages of this persona, and of no other: the best first, so many at most.
    async fn search(&self, persona: PersonaId, vector: &[f32], limit: usize) -> Result<Vec<Found>, VectorStoreError>;

    /// Begins a new index beside the one that is searched, or goes on with one that was begun. From now on it gets
    /// whatever changes, too. One process at a time may.
    async fn begin(&self) -> Result<Index, VectorStoreError>;

    /// Adds these to this index only.
    async fn fill(&self, index: &Index, points: &[Point]) -> Result<(), VectorStoreError>;

    /// Puts this index in the place of the one that is searched, and removes what is older.
    async fn finish(&self, index: &Index) -> Result<(), VectorStoreError>;
}
