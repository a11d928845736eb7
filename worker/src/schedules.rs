//! Work that is done at intervals, once however many workers there are.
//!
//! Every worker looks, a few times in each interval, whether the last run is long enough ago; PostgreSQL lets one of them
//! begin the next. A lock that lasts as long as the runner's connection keeps two runs from going on at once, however long
//! one takes, and lets go when the worker dies: then the next run takes up what is left.

use std::time::Duration;

use futures::future::FutureExt;
use sqlx::{PgConnection, PgPool};
use tokio_util::sync::CancellationToken;
use troupe_db::operations::schedules;

/// Looks in each interval: a worker that dies delays the next run by a part of it only.
const LOOKS: u32 = 4;

/// What a schedule does.
pub(crate) trait Scheduled: Send + Sync {
    /// Names it in the database.
    const NAME: &'static str;

    /// From the beginning of one run to that of the next, at least.
    fn interval(&self) -> Duration;

    /// One run. It ends early when the shutdown comes: what is left is the next run's.
    fn run(&self, db: &mut PgConnection, shutdown: &CancellationToken)
    -> impl Future<Output = sqlx::Result<()>> + Send;
}

/// Does it whenever this worker comes first, until the shutdown.
pub(crate) async fn follow<S: Scheduled>(schedule: S, pool: PgPool, worker: String, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(schedule.interval() / LOOKS);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(ticks.tick().map(drop)).await.is_some() {
        if let Err(error) = run_if_due(&schedule, &pool, &worker, &shutdown).await {
            tracing::warn!(%error, schedule = S::NAME, "the run did not finish; the next takes up what is left");
        }
    }
}

async fn run_if_due<S: Scheduled>(
    schedule: &S,
    pool: &PgPool,
    worker: &str,
    shutdown: &CancellationToken,
) -> sqlx::Result<()> {
    if !schedules::begin(pool, S::NAME, worker, schedule.interval()).await? {
        tracing::debug!(schedule = S::NAME, "not due");
        return Ok(());
    }
    // Not the pool's any more: it is closed afterwards, and the lock with it, whatever happens.
    let mut connection = pool.acquire().await?.detach();
    if schedules::hold(&mut connection, S::NAME).await? {
        schedule.run(&mut connection, shutdown).await?;
    } else {
        tracing::info!(schedule = S::NAME, "the last run is still under way");
    }
    Ok(())
}
