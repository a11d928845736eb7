//! Vectors: what personas know is embedded, once, and the vector store is told.
//!
//! PostgreSQL notes by itself which passages came and went (`vector_work`). Every worker looks whether some of it is
//! due ([`open_lanes`]), and has jobs do it ([`Vectors`]), some side by side where there is much. What they could not
//! do stays, and is due again after a pause. [`Indexer`] is what one round does, [`rebuild`] makes a whole index.

mod filling;
mod indexer;
mod rebuild;

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use troupe_core::{
    config,
    jobs::{Payload, UpdateVectors},
    lifecycle::Tasks,
    ports::{EmbedError, Embedder, VectorStore, VectorStoreError},
};
use troupe_db::knowledge::vector_work;

use crate::work::{Context, Job, JobError, Outcome, Registry, RetryPolicy, Settings, Ticker};
use filling::Filling;
use indexer::Indexer;

pub use rebuild::reindex;

/// Jobs that do this at the same time, in all workers.
const LANES: i32 = 8;
/// A job that has done so many rounds lets others go first.
const ROUNDS: usize = 1_000;
const TIME_LIMIT: Duration = Duration::from_hours(1);

/// Follows what comes and goes from now on. An embedder or a store that does not fit is an error at once.
pub(crate) async fn start(
    settings: &config::Embeddings,
    pool: PgPool,
    embedder: Arc<dyn Embedder>,
    store: Arc<dyn VectorStore>,
    registry: Registry,
    tasks: &Tasks,
) -> Result<Registry, Trouble> {
    let indexer = Arc::new(Indexer { pool: pool.clone(), embedder, store, settings: settings.clone() });
    indexer.check().await?;
    tasks.spawn(open_lanes(pool, indexer.batch(), settings.look_interval, tasks.shutdown().clone()));
    let filling = Filling { indexer: indexer.clone(), interval: settings.check_interval };
    Ok(registry.with(Vectors { indexer }).scheduled(filling))
}

/// Has jobs do what is due, until the shutdown.
async fn open_lanes(pool: PgPool, batch: usize, look_interval: Duration, shutdown: CancellationToken) {
    let mut ticker = Ticker::new(look_interval, shutdown);
    while ticker.tick().await {
        if let Err(error) = vector_work::open_lanes(&pool, batch as i64, LANES).await {
            tracing::warn!(%error, "could not look for passages to be indexed");
        }
    }
}

/// The kind of job.
struct Vectors {
    indexer: Arc<Indexer>,
}

impl Job for Vectors {
    const KIND: &'static str = UpdateVectors::KIND;
    type Payload = UpdateVectors;

    fn settings(&self) -> Settings {
        Settings {
            weight: 2,
            concurrency: 1,
            retry: retry_policy(&self.indexer.settings),
            time_limit: TIME_LIMIT,
            kept: Duration::ZERO,
            dead_letter_kept: None,
        }
    }

    async fn run(&self, _: UpdateVectors, context: &Context) -> Result<Outcome, JobError> {
        let (retry, mut failures) = (retry_policy(&self.indexer.settings), context.failures + 1);
        for _ in 0..ROUNDS {
            match self.indexer.round(|trouble| pause_after(&retry, failures, trouble)).await {
                Ok(0) => return Ok(Outcome::DONE),
                Ok(_) => failures = 1,
                Err(Trouble::Database(error)) => return Err(error.into()),
                Err(trouble) => {
                    return Err(JobError::Failed { why: trouble.to_string(), after: trouble.retry_after() });
                }
            }
        }
        Ok(Outcome::Retry { after: Duration::ZERO })
    }
}

fn retry_policy(settings: &config::Embeddings) -> RetryPolicy {
    RetryPolicy::doubling(None, settings.retry_base, settings.retry_cap)
}

/// After so many failures, or for as long as the embedder has asked for.
fn pause_after(retry: &RetryPolicy, failures: u32, trouble: &Trouble) -> Duration {
    trouble.retry_after().unwrap_or_default().max(retry.pause(failures)).min(retry.cap)
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
