//! Embeds passages and keeps the vector store up to date.
//!
//! Triggers record changed passages in `vector_work`. Every worker polls it ([`open_lanes`]) and enqueues jobs
//! ([`Vectors`]), several if there is much. Failed work stays, and is due again after a pause. [`Indexer`] does one
//! round, [`rebuild`] builds a whole index.

mod backfill;
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
use troupe_db::{knowledge::vector_work, with_response_timeout};

use crate::work::{Context, Job, JobError, Outcome, Registry, RetryPolicy, Settings, Ticker};
use backfill::Backfill;
use indexer::Indexer;

pub use rebuild::reindex;

/// Concurrent jobs, in all workers.
const LANES: i32 = 8;
/// Rounds after which a job yields to others.
const ROUNDS: usize = 1_000;
const TIME_LIMIT: Duration = Duration::from_hours(1);

/// Starts the indexing of changes. Fails at once if embedder or store do not fit the configuration.
pub(crate) async fn start(
    settings: &config::Embeddings,
    pool: PgPool,
    embedder: Arc<dyn Embedder>,
    store: Arc<dyn VectorStore>,
    registry: Registry,
    tasks: &Tasks,
) -> Result<Registry, VectorError> {
    let indexer = Arc::new(Indexer { pool: pool.clone(), embedder, store, settings: settings.clone() });
    indexer.check().await?;
    tasks.spawn(open_lanes(pool, indexer.batch(), settings.look_interval, tasks.shutdown().clone()));
    let backfill = Backfill { indexer: indexer.clone(), interval: settings.check_interval };
    Ok(registry.with(Vectors { indexer }).scheduled(backfill))
}

/// Enqueues jobs for due work, until the shutdown.
async fn open_lanes(pool: PgPool, batch: usize, look_interval: Duration, shutdown: CancellationToken) {
    let mut ticker = Ticker::new(look_interval, shutdown);
    while ticker.tick().await {
        if let Err(error) = with_response_timeout(vector_work::open_lanes(&pool, batch as i64, LANES)).await {
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
            match self.indexer.round(|error| pause_after(&retry, failures, error)).await {
                Ok(0) => return Ok(Outcome::DONE),
                Ok(_) => failures = 1,
                Err(VectorError::Database(error)) => return Err(error.into()),
                Err(error) => {
                    return Err(JobError::Failed { why: error.to_string(), after: error.retry_after() });
                }
            }
        }
        Ok(Outcome::Retry { after: Duration::ZERO })
    }
}

fn retry_policy(settings: &config::Embeddings) -> RetryPolicy {
    RetryPolicy::doubling(None, settings.retry_base, settings.retry_cap)
}

/// The backoff of so many failures, or the pause that the embedder requests.
fn pause_after(retry: &RetryPolicy, failures: u32, error: &VectorError) -> Duration {
    error.retry_after().unwrap_or_default().max(retry.pause(failures)).min(retry.cap)
}

/// Why work failed; it stays due.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VectorError {
    #[error("{0}")]
    Database(#[from] sqlx::Error),
    #[error("{0}")]
    Embedder(#[from] EmbedError),
    #[error("{0}")]
    Store(#[from] VectorStoreError),
}

impl VectorError {
    /// Whether it needs a change of the configuration.
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
