//! Making a whole index out of what PostgreSQL has: passage by passage, in the order of their ids, so that it can stop
//! anywhere and go on later. What changes meanwhile reaches the new index as it reaches the old one.

use std::{io::Write, sync::Arc, time::Duration};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use troupe_core::{
    adapters::embedders,
    clock::{Clock, SystemClock},
    config::Live,
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

use super::{Filling, Indexer, Trouble, pause_after, retry_policy};
use crate::work::schedules::Scheduled;

/// Between two looks whether another process is done.
const LOCK_PAUSE: Duration = Duration::from_millis(200);

impl Indexer {
    /// Makes a new index, or goes on with one that was begun, and puts it in the place of the one that is searched;
    /// tells how many passages are in it. `None` where the shutdown came first. One process at a time may.
    pub(super) async fn make_index(
        &self,
        tell: &mut (dyn FnMut(&Index, i64) + Send),
        shutdown: &CancellationToken,
    ) -> Result<Option<Index>, Trouble> {
        let index = self.store.begin().await?;
        let mut progress = vector_rebuilds::take_up(&self.pool, &index.name, index.made).await?;
        while !shutdown.is_cancelled() {
            tell(&index, progress.passages);
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
    async fn fill_page(&self, index: &Index, progress: Progress) -> Result<Option<Progress>, Trouble> {
        let passages = embeddings::passages_after(&self.pool, progress.reached, self.batch() as i64).await?;
        let Some(last) = passages.last() else { return Ok(None) };
        self.embed_missing(&passages).await?;
        let points = embeddings::points(&self.pool, self.embedder.model(), &passages).await?;
        self.store.fill(index, &points).await?;
        self.take_back_gone(&points).await?;
        let next = Progress { reached: Some(*last), passages: progress.passages + passages.len() as i64 };
        vector_rebuilds::note(&self.pool, &index.name, next).await?;
        Ok(Some(next))
    }
}

/// `troupe-worker reindex`: makes a new index beside the one that is searched, and puts it in its place.
pub async fn reindex(live: &Live, mut out: impl Write + Send, shutdown: CancellationToken) -> anyhow::Result<()> {
    let config = live.now();
    let pool = troupe_db::connect(&config.database, "troupe-worker reindex").await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let embedder = embedders::from_config(live, clock.clone())?;
    let store = vector_stores::from_config(live, embedder.as_ref(), pool.clone(), clock)?;
    let mut lock = pool.acquire().await?.detach();
    let mut told = false;
    while !schedules::hold(&mut lock, Filling::NAME).await? {
        if !std::mem::replace(&mut told, true) {
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
        let mut tell = |index: &Index, passages: i64| {
            _ = writeln!(out, "{}: {passages} passages of about {}", index.name, about.max(passages.unsigned_abs()));
        };
        match indexer.make_index(&mut tell, &shutdown).await {
            Ok(Some(index)) => return Ok(writeln!(out, "{} is whole, and searched from now on", index.name)?),
            Ok(None) => {}
            Err(trouble) if trouble.is_unfit() => return Err(trouble.into()),
            Err(trouble) => {
                failures += 1;
                wait(&mut out, &trouble, pause_after(&retry, failures, &trouble), &shutdown).await?;
            }
        }
    }
    Ok(writeln!(out, "stopped: the same command goes on from here")?)
}

async fn wait(
    out: &mut (impl Write + Send),
    trouble: &Trouble,
    pause: Duration,
    shutdown: &CancellationToken,
) -> std::io::Result<()> {
    writeln!(out, "{trouble}; going on in {pause:?}")?;
    shutdown.run_until_cancelled(sleep(pause)).await;
    Ok(())
}
