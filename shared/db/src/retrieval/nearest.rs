//! Vector search: the vector store finds the passages, PostgreSQL has their content.

use std::collections::HashMap;

use sqlx::PgPool;
use troupe_core::{
    ids::PersonaId,
    ports::{VectorStore, VectorStoreError},
};

use crate::knowledge::passages::{self, Passage};

/// A passage and its similarity.
#[derive(Debug, Clone)]
pub struct NearPassage {
    pub passage: Passage,
    /// The cosine: 1 is the same direction.
    pub score: f32,
}

#[derive(Debug, thiserror::Error)]
pub enum NearestError {
    #[error(transparent)]
    Store(#[from] VectorStoreError),
    #[error("read the passages: {0}")]
    Database(#[from] sqlx::Error),
}

/// The passages of a persona that are nearest to a vector, the best first, as they are in PostgreSQL now. There may be
/// fewer than `limit` while the store is stale.
///
/// Use a time limit where a user waits: loading continues without it.
pub async fn nearest(
    pool: &PgPool,
    store: &dyn VectorStore,
    persona: PersonaId,
    vector: &[f32],
    limit: usize,
) -> Result<Vec<NearPassage>, NearestError> {
    // A zero vector (of an empty text) has no neighbours.
    if vector.iter().all(|number| *number == 0.0) {
        return Ok(Vec::new());
    }
    let found = store.search(persona, vector, limit).await?;
    let ids: Vec<_> = found.iter().map(|found| found.passage).collect();
    let there = passages::of_persona(pool, persona, &ids).await?;
    let mut there: HashMap<_, _> = there.into_iter().map(|passage| (passage.id, passage)).collect();
    let mut near = |passage, score| Some(NearPassage { passage: there.remove(&passage)?, score });
    Ok(found.into_iter().filter_map(|found| near(found.passage, found.score)).collect())
}
