//! Schedule that builds a missing index: the model was changed, or Qdrant is new or was emptied.
//!
//! Automatic; keyword search works meanwhile. A failure is retried at the next run.

use std::{sync::Arc, time::Duration};

use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use troupe_db::knowledge::vector_rebuilds;

use super::{Indexer, VectorError};
use crate::work::schedules::Scheduled;

pub(super) struct Backfill {
    pub(super) indexer: Arc<Indexer>,
    pub(super) interval: Duration,
}

impl Scheduled for Backfill {
    const NAME: &'static str = "fill_vectors";

    fn interval(&self) -> Duration {
        self.interval
    }

    async fn run(&self, _: &mut PgConnection, shutdown: &CancellationToken) -> sqlx::Result<()> {
        match self.fill(shutdown).await {
            Ok(()) => Ok(()),
            Err(VectorError::Database(error)) => Err(error),
            Err(error) => {
                tracing::warn!(%error, "the index of vectors could not be looked after");
                Ok(())
            }
        }
    }
}

impl Backfill {
    async fn fill(&self, shutdown: &CancellationToken) -> Result<(), VectorError> {
        if let Some(index) = self.indexer.store.searched().await?
            && vector_rebuilds::is_whole(&self.indexer.pool, &index.name).await?
        {
            return Ok(());
        }
        let mut passages = 0;
        let made = self.indexer.build_index(&mut |_, so_far| passages = so_far, shutdown).await?;
        if let Some(index) = made {
            tracing::info!(index = index.name, passages, "made an index of vectors");
        }
        Ok(())
    }
}
