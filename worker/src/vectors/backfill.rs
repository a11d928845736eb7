//! Where there is no whole index, one worker makes one: the model was changed, Qdrant is new, or it was emptied.
//!
//! It needs no hand; keywords find passages meanwhile. What fails is taken up again at the next look.

use std::{sync::Arc, time::Duration};

use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use troupe_db::knowledge::vector_rebuilds;

use super::{Indexer, Trouble};
use crate::work::schedules::Scheduled;

pub(super) struct Filling {
    pub(super) indexer: Arc<Indexer>,
    pub(super) interval: Duration,
}

impl Scheduled for Filling {
    const NAME: &'static str = "fill_vectors";

    fn interval(&self) -> Duration {
        self.interval
    }

    async fn run(&self, _: &mut PgConnection, shutdown: &CancellationToken) -> sqlx::Result<()> {
        match self.fill(shutdown).await {
            Ok(()) => Ok(()),
            Err(Trouble::Database(error)) => Err(error),
            Err(trouble) => {
                tracing::warn!(%trouble, "the index of vectors could not be looked after");
                Ok(())
            }
        }
    }
}

impl Filling {
    async fn fill(&self, shutdown: &CancellationToken) -> Result<(), Trouble> {
        if let Some(index) = self.indexer.store.searched().await?
            && vector_rebuilds::is_whole(&self.indexer.pool, &index.name).await?
        {
            return Ok(());
        }
        let mut passages = 0;
        let made = self.indexer.make_index(&mut |_, so_far| passages = so_far, shutdown).await?;
        if let Some(index) = made {
            tracing::info!(index = index.name, passages, "made an index of vectors");
        }
        Ok(())
    }
}
