//! Vectors: what personas know is embedded, once, and the vector store is told.
//!
//! PostgreSQL notes by itself which passages came and went (`vector_work`). Every worker takes some of it up ([`follow`]); what
//! it could not do stays, and is due again after a pause. [`Indexer`] is what one round does, [`rebuild`] makes a whole index.

mod filling;
mod indexer;
mod rebuild;

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use troupe_core::{
    config,
    lifecycle::Tasks,
    ports::{EmbedError, Embedder, VectorStore, VectorStoreError},
};

use crate::schedules;
use filling::Filling;
use indexer::Indexer;

pub use rebuild::reindex;

/// Follows what comes and goes from now on. An embedder or a store that does not fit is an error at once.
pub(crate) async fn start(
    settings: &config::Embeddings,
    pool: PgPool,
    embedder: Arc<dyn Embedder>,
    store: Arc<dyn VectorStore>,
    worker: &str,
    tasks: &Tasks,
) -> Result<(), Trouble> {
    let indexer = Arc::new(Indexer { pool: pool.clone(), embedder, store, settings: settings.clone() });
    indexer.check().await?;
    tasks.spawn(follow(indexer.clone(), tasks.shutdown().clone()));
    let filling = Filling { indexer, interval: settings.check_interval };
    tasks.spawn(schedules::follow(filling, pool, worker.to_owned(), tasks.shutdown().clone()));
    Ok(())
}

/// Why something was not done; it stays to be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("{0}")]
    Database(#[from] sqlx::Error),
    #[error("{0}")]
    Embedder(#[from] EmbedError),
    #[error("{0}")]
    Store(#[from] VectorStoreError),
}

impl Trouble {
    /// Whether somebody has to change the configuration first.
    const fn is_unfit(&self) -> bool {
        matches!(self, Self::Embedder(EmbedError::Unfit(_)) | Self::Store(VectorStoreError::Unfit(_)))
    }

    const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Embedder(EmbedError::Unavailable { retry_after, .. }) => *retry_after,
            _ => None,
        }
    }
}

/// Pauses that double with each trouble, up to a cap, and begin anew when it is over.
struct Patience<'a> {
    settings: &'a config::Embeddings,
    next: Duration,
}

impl<'a> Patience<'a> {
    const fn new(settings: &'a config::Embeddings) -> Self {
        Self { settings, next: settings.retry_base }
    }

    fn pause(&mut self, trouble: &Trouble) -> Duration {
        let pause = trouble.retry_after().unwrap_or_default().max(self.next).min(self.settings.retry_cap);
        self.next = (self.next * 2).min(self.settings.retry_cap);
        pause
    }

    const fn restore(&mut self) {
        self.next = self.settings.retry_base;
    }
}

/// Takes up what is due until the shutdown.
async fn follow(indexer: Arc<Indexer>, shutdown: CancellationToken) {
    let mut patience = Patience::new(&indexer.settings);
    let rounds = async {
        loop {
            let pause = match indexer.round(&mut patience).await {
                Ok(0) => indexer.settings.look_interval,
                Ok(_) => continue,
                Err((trouble, pause)) => {
                    tracing::warn!(%trouble, ?pause, "passages could not be indexed; they are tried again");
                    pause
                }
            };
            sleep(pause).await;
        }
    };
    shutdown.run_until_cancelled(rounds).await;
}
