//! The configured vector store: Qdrant behind a circuit breaker, or exact search in memory over the vectors in
//! PostgreSQL.

mod local;

use std::sync::Arc;

use sqlx::PgPool;
use troupe_core::{
    adapters::vector_stores::{BreakerVectorStore, QdrantVectorStore},
    clock::Clock,
    config::Live,
    ports::{Embedder, VectorStore, VectorStoreError},
};

pub use local::LocalVectorStore;

/// The configured store, for the vectors of this embedder. Connects lazily.
pub fn from_config(
    live: &Live,
    embedder: &dyn Embedder,
    pool: PgPool,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn VectorStore>, VectorStoreError> {
    let settings = &live.now().qdrant;
    let key = live.secret(|config| config.qdrant.api_key.clone());
    Ok(match &settings.url {
        Some(url) => {
            let qdrant = QdrantVectorStore::new(url, settings, key, embedder.model(), embedder.dimension())?;
            Arc::new(BreakerVectorStore::new(Arc::new(qdrant), settings.into(), clock))
        }
        None => Arc::new(LocalVectorStore::new(pool, embedder.model(), embedder.dimension())),
    })
}
