//! Rebuilds an index from PostgreSQL, in the order of the passages' ids, so that it can be stopped and resumed.
//! Concurrent changes go to the new index as to the old one.

use std::{io::Write, sync::Arc, time::Duration};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use troupe_core::{
    adapters::embedders,
    clock::{Clock, SystemClock},
    config::Live,
    lifecycle::Tasks,
    ports::Index,
};
use troupe_db::{
    knowledge::{
        embeddings,
        vector_rebuilds::{self, Progress},
    },
    operations::schedules,
    vector_stores,
};

use super::{Backfill, Indexer, VectorError, pause_after, retry_policy};
use crate::work::schedules::Scheduled;

/// The interval of tries to get the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(200);

impl Indexer {
    /// Builds a new index, or resumes an unfinished one, and switches searches to it; reports the number of passages.
    /// `None` at a shutdown. For one process at a time.
    pub(super) async fn build_index(
        &self,
        report: &mut (dyn FnMut(&Index, i64) + Send),
        shutdown: &CancellationToken,
    ) -> Result<Option<Index>, VectorError> {
        let index = self.store.begin().await?;
        let mut progress = vector_rebuilds::take_up(&self.pool, &index.name, index.made).await?;
        while !shutdown.is_cancelled() {
            report(&index, progress.passages);
            let Some(next) = self.fill_page(&index, progress).await? else {
                self.store.finish(&index).await?;
                vector_rebuilds::finish(&self.pool, &index.name).await?;
                return Ok(Some(index));
            };
            progress = next;
        }
        Ok(None)
    }

    /// Adds the next passages; `None` where there are no more.
    async fn fill_page(&self, index: &Index, progress: Progress) -> Result<Option<Progress>, VectorError> {
        let passages = embeddings::passages_after(&self.pool, progress.reached, self.batch() as i64).await?;
        let Some(last) = passages.last() else { return Ok(None) };
        self.embed_missing(&passages).await?;
        let points = embeddings::points(&self.pool, self.embedder.model(), &passages).await?;
        self.store.fill(index, &points).await?;
        self.remove_gone(&points).await?;
        let next = Progress { reached: Some(*last), passages: progress.passages + passages.len() as i64 };
        vector_rebuilds::note(&self.pool, &index.name, next).await?;
        Ok(Some(next))
    }
}

/// `troupe-worker reindex`: builds a new index beside the searched one, and switches searches to it.
pub async fn reindex(live: &Live, mut out: impl Write + Send, shutdown: CancellationToken) -> anyhow::Result<()> {
    let config = live.now();
    let pool = troupe_db::connect(&config.database, "troupe-worker reindex").await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let embedder = embedders::from_config(live, clock.clone(), &Tasks::new(shutdown.clone()))?;
    let store = vector_stores::from_config(live, embedder.as_ref(), pool.clone(), clock)?;
    let mut lock = pool.acquire().await?.detach();
    let mut announced = false;
    while !schedules::hold(&mut lock, Backfill::NAME).await? {
        if !std::mem::replace(&mut announced, true) {
            writeln!(out, "another process looks after the index: waiting for it")?;
        }
        if shutdown.run_until_cancelled(sleep(LOCK_PAUSE)).await.is_none() {
            return Ok(());
        }
    }
    let about = embeddings::passages_about(&pool).await?;
    let indexer = Indexer { pool, embedder, store, settings: config.embeddings.clone() };
    let (retry, mut failures) = (retry_policy(&indexer.settings), 0);
    while !shutdown.is_cancelled() {
        let mut report = |index: &Index, passages: i64| {
            _ = writeln!(out, "{}: {passages} passages of about {}", index.name, about.max(passages.unsigned_abs()));
        };
        match indexer.build_index(&mut report, &shutdown).await {
            Ok(Some(index)) => return Ok(writeln!(out, "{} is whole, and searched from now on", index.name)?),
            Ok(None) => {}
            Err(error) if error.is_unfit() => return Err(error.into()),
            Err(error) => {
                failures += 1;
                wait(&mut out, &error, pause_after(&retry, failures, &error), &shutdown).await?;
            }
        }
    }
    Ok(writeln!(out, "stopped: the same command goes on from here")?)
}

async fn wait(
    out: &mut (impl Write + Send),
    error: &VectorError,
    pause: Duration,
    shutdown: &CancellationToken,
) -> std::io::Result<()> {
    writeln!(out, "{error}; going on in {pause:?}")?;
    shutdown.run_until_cancelled(sleep(pause)).await;
    Ok(())
}
