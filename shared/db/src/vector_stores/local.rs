//! Exact search in memory, over copies of what PostgreSQL has, persona by persona.
//!
//! With several processes, each has copies of its own, of those personas only that are searched there: made at the
//! first search, dropped when nobody has searched for a while. What any process embeds or removes raises the persona's
//! version in PostgreSQL; the others look at it at most once a second, when there is a search, and fetch what is new. A
//! passage's id never means other words, so an id that is known need not be read again. Until then a copy is behind:
//! [`crate::retrieval::nearest`] leaves out what has gone meanwhile.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use sqlx::PgPool;
use tokio::{task::JoinError, time::Instant};
use troupe_core::{
    adapters::vector_stores::ExactIndex,
    ids::{PassageId, PersonaId},
    lifecycle::Tasks,
    ports::{Found, Index, Point, PortError, VectorStore, VectorStoreError},
};

use crate::knowledge::{embeddings, vector_versions};

/// How old a copy may be before it is asked whether it still holds.
const FRESH: Duration = Duration::from_secs(1);
/// A copy that nobody has searched for so long makes room.
const IDLE: Duration = Duration::from_mins(10);
/// Vectors that are read at once.
const PAGE: usize = 1_000;
/// From so many numbers on, a search would hold up what else runs on its thread.
const LONG: usize = 1 << 20;

pub struct LocalVectorStore {
    source: Source,
    dimension: usize,
    copies: Mutex<HashMap<PersonaId, Arc<PersonaCopy>>>,
    /// Nobody waits for them at the end: they only read.
    reading: Tasks,
}

/// Where copies are made from.
#[derive(Clone)]
struct Source {
    pool: PgPool,
    model: Arc<str>,
}

/// What this process knows of one persona.
struct PersonaCopy {
    persona: PersonaId,
    index: RwLock<ExactIndex>,
    /// The version that it is of; `None` before the first. Held by whoever brings it up to date.
    version: tokio::sync::Mutex<Option<i64>>,
    /// When it was last found to be up to date, or brought there.
    fresh_at: Mutex<Option<Instant>>,
    searched_at: Mutex<Instant>,
}

impl PersonaCopy {
    fn is_fresh(&self) -> bool {
        self.fresh_at.lock().is_some_and(|at| at.elapsed() < FRESH)
    }

    /// Brings it up to date, unless somebody else has while this one waited.
    async fn freshen(self: Arc<Self>, source: Source) -> sqlx::Result<()> {
        let mut known = self.version.lock().await;
        if self.is_fresh() {
            return Ok(());
        }
        let began = Instant::now();
        // Before the rows: a change that comes in between is found again next time.
        let version = vector_versions::of(&source.pool, self.persona).await?;
        if *known != Some(version) {
            self.refill(&source).await?;
            *known = Some(version);
        }
        *self.fresh_at.lock() = Some(began);
        Ok(())
    }

    async fn refill(&self, Source { pool, model }: &Source) -> sqlx::Result<()> {
        let there = embeddings::of_persona(pool, model, self.persona).await?;
        let new: Vec<_> = {
            let index = self.index.read();
            there.iter().copied().filter(|passage| !index.contains(*passage)).collect()
        };
        self.index.write().retain(&there.into_iter().collect::<HashSet<_>>());
        for page in new.chunks(PAGE) {
            let points = embeddings::points(pool, model, page).await?;
            let mut index = self.index.write();
            // The one condition that keeps personas apart.
            points.iter().filter(|point| point.persona == self.persona).for_each(|point| index.upsert(point));
        }
        Ok(())
    }
}

impl LocalVectorStore {
    pub fn new(pool: PgPool, model: &str, dimension: usize) -> Self {
        let source = Source { pool, model: model.into() };
        Self { source, dimension, copies: Mutex::default(), reading: Tasks::default() }
    }

    fn copy(&self, persona: PersonaId) -> Arc<PersonaCopy> {
        let now = Instant::now();
        let mut copies = self.copies.lock();
        if let Some(copy) = copies.get(&persona) {
            *copy.searched_at.lock() = now;
            return copy.clone();
        }
        copies.retain(|_, copy| now.duration_since(*copy.searched_at.lock()) < IDLE);
        let copy = Arc::new(PersonaCopy {
            persona,
            index: RwLock::new(ExactIndex::new(self.dimension)),
            version: tokio::sync::Mutex::default(),
            fresh_at: Mutex::default(),
            searched_at: Mutex::new(now),
        });
        copies.insert(persona, copy.clone());
        copy
    }

    /// What this process has changed it sees at once.
    async fn changed(&self, personas: &[PersonaId]) -> Result<(), VectorStoreError> {
        vector_versions::raise(&self.source.pool, personas).await.map_err(failed("say that vectors have changed"))?;
        let copies = self.copies.lock();
        personas.iter().filter_map(|persona| copies.get(persona)).for_each(|copy| *copy.fresh_at.lock() = None);
        Ok(())
    }
}

fn failed(what: &'static str) -> impl Fn(sqlx::Error) -> VectorStoreError {
    move |error| PortError { what, why: error.to_string() }.into()
}

fn died(what: &'static str) -> impl Fn(JoinError) -> VectorStoreError {
    move |error| PortError { what, why: error.to_string() }.into()
}

#[async_trait]
impl VectorStore for LocalVectorStore {
    async fn searched(&self) -> Result<Option<Index>, VectorStoreError> {
        self.begin().await.map(Some)
    }

    /// They are in PostgreSQL already, or the next search would not find them.
    async fn upsert(&self, points: &[Point]) -> Result<(), VectorStoreError> {
        if let Some(point) = points.iter().find(|point| point.vector.len() != self.dimension) {
            let (has, wants) = (point.vector.len(), self.dimension);
            return Err(VectorStoreError::Unfit(format!("a vector of {has} numbers among those of {wants}")));
        }
        let personas: HashSet<_> = points.iter().map(|point| point.persona).collect();
        self.changed(&personas.into_iter().collect::<Vec<_>>()).await
    }

    async fn remove(&self, persona: PersonaId, _: &[PassageId]) -> Result<(), VectorStoreError> {
        self.changed(&[persona]).await
    }

    async fn remove_persona(&self, persona: PersonaId) -> Result<(), VectorStoreError> {
        self.copies.lock().remove(&persona);
        vector_versions::forget(&self.source.pool, persona).await.map_err(failed("forget a persona's vectors"))
    }

    async fn search(&self, persona: PersonaId, vector: &[f32], limit: usize) -> Result<Vec<Found>, VectorStoreError> {
        if vector.len() != self.dimension {
            let (has, wants) = (vector.len(), self.dimension);
            return Err(VectorStoreError::Unfit(format!("a search with {has} numbers among vectors of {wants}")));
        }
        let copy = self.copy(persona);
        if !copy.is_fresh() {
            // A task of its own: a search that is given up leaves it to finish, or large personas would never be read.
            let freshened = self.reading.spawn(copy.clone().freshen(self.source.clone()));
            freshened.await.map_err(died("read vectors"))?.map_err(failed("read vectors"))?;
        }
        if copy.index.read().numbers() < LONG {
            return Ok(copy.index.read().nearest(vector, limit));
        }
        let vector = vector.to_vec();
        let search = tokio::task::spawn_blocking(move || copy.index.read().nearest(&vector, limit));
        search.await.map_err(died("search vectors"))
    }

    /// There is nothing to be made beside it: every process makes its copies from PostgreSQL.
    async fn begin(&self) -> Result<Index, VectorStoreError> {
        Ok(Index { name: format!("memory {}", self.source.model), made: false })
    }

    async fn fill(&self, _: &Index, points: &[Point]) -> Result<(), VectorStoreError> {
        self.upsert(points).await
    }

    async fn finish(&self, _: &Index) -> Result<(), VectorStoreError> {
        Ok(())
    }
}
