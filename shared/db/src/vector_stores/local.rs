//! Exact search in memory, over copies of the vectors in PostgreSQL, one per persona.
//!
//! Each process has its own copies, only of personas that are searched there: loaded at the first search, evicted when
//! idle. Every change of a persona's vectors raises its version in PostgreSQL. Searches check that at most once a
//! second, and load what is new. Passages are immutable under their id, so known ids are not read again. Until then a
//! copy is stale: [`crate::retrieval::nearest`] skips passages that are gone.

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

/// The time after which a copy's version is checked again.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The idle time after which a copy is evicted.
const IDLE_TIMEOUT: Duration = Duration::from_mins(10);
/// Vectors per page.
const PAGE: usize = 1_000;
/// Searches of at least so many floats run on a blocking thread.
const BLOCKING_NUMBERS: usize = 1 << 20;

pub struct LocalVectorStore {
    source: Source,
    dimension: usize,
    copies: Mutex<HashMap<PersonaId, Arc<PersonaCopy>>>,
    /// Not awaited at shutdown: they only read.
    loads: Tasks,
}

/// The source of copies.
#[derive(Clone)]
struct Source {
    pool: PgPool,
    model: Arc<str>,
}

/// The copy of one persona.
struct PersonaCopy {
    persona: PersonaId,
    index: RwLock<ExactIndex>,
    /// The version of the copy; `None` before the first load. Locked during an update.
    version: tokio::sync::Mutex<Option<i64>>,
    /// When it was last checked or updated.
    fresh_at: Mutex<Option<Instant>>,
    searched_at: Mutex<Instant>,
}

impl PersonaCopy {
    fn is_fresh(&self) -> bool {
        self.fresh_at.lock().is_some_and(|at| at.elapsed() < CHECK_INTERVAL)
    }

    /// Updates the copy, unless that was done while this call waited for the lock.
    async fn refresh(self: Arc<Self>, source: Source) -> sqlx::Result<()> {
        let mut current = self.version.lock().await;
        if self.is_fresh() {
            return Ok(());
        }
        let began = Instant::now();
        // Read before the rows: a concurrent change is loaded again by the next update.
        let version = vector_versions::of(&source.pool, self.persona).await?;
        if *current != Some(version) {
            self.refill(&source).await?;
            *current = Some(version);
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
            // The filter that separates personas.
            points.iter().filter(|point| point.persona == self.persona).for_each(|point| index.upsert(point));
        }
        Ok(())
    }
}

impl LocalVectorStore {
    pub fn new(pool: PgPool, model: &str, dimension: usize) -> Self {
        let source = Source { pool, model: model.into() };
        Self { source, dimension, copies: Mutex::default(), loads: Tasks::default() }
    }

    fn copy(&self, persona: PersonaId) -> Arc<PersonaCopy> {
        let now = Instant::now();
        let mut copies = self.copies.lock();
        if let Some(copy) = copies.get(&persona) {
            *copy.searched_at.lock() = now;
            return copy.clone();
        }
        copies.retain(|_, copy| now.duration_since(*copy.searched_at.lock()) < IDLE_TIMEOUT);
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

    /// This process's own changes are visible to it at once.
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

    /// They are in PostgreSQL already; this only raises the versions.
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
            // In a separate task: a search that times out does not abort it, or large personas would never be loaded.
            let refreshed = self.loads.spawn(copy.clone().refresh(self.source.clone()));
            refreshed.await.map_err(died("read vectors"))?.map_err(failed("read vectors"))?;
        }
        if copy.index.read().numbers() < BLOCKING_NUMBERS {
            return Ok(copy.index.read().nearest(vector, limit));
        }
        let vector = vector.to_vec();
        let search = tokio::task::spawn_blocking(move || copy.index.read().nearest(&vector, limit));
        search.await.map_err(died("search vectors"))
    }

    /// There is no index to rebuild: every process loads its copies from PostgreSQL.
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
