//! Work that is done at intervals, once however many workers there are.
//!
//! Every worker looks, a few times in each interval, whether the last run began long enough ago; PostgreSQL lets one of
//! them put the next job in. From then on it is leased work: it goes on elsewhere when its worker dies. A lock that
//! lasts as long as the runner's connection keeps out whoever else does the same thing, such as a command or a worker
//! that was frozen.

use std::time::Duration;

use serde::Deserialize;
use sqlx::{PgConnection, PgPool};
use tokio_util::sync::CancellationToken;
use troupe_db::operations::schedules::{self, DueCheck};

use super::{Context, Job, JobError, Outcome, RetryPolicy, Settings, Ticker, registry::Schedule};

/// Looks in each interval: a worker that dies delays the next run by a part of it only.
const LOOKS: u32 = 4;
/// A run that takes longer has failed; the next attempt takes up what is left.
const TIME_LIMIT: Duration = Duration::from_hours(6);
const ATTEMPTS: u32 = 3;
/// Runs are shown for so long, those that failed for good for longer: the next due moment makes another.
const KEPT: Duration = Duration::from_hours(1);
const FAILED_KEPT: Duration = Duration::from_hours(24);
/// Between two looks whether somebody else is done.
const LOCK_PAUSE: Duration = Duration::from_secs(1);

/// What a schedule does.
pub(crate) trait Scheduled: Send + Sync + 'static {
    /// Names it in the database: the schedule, and the kind of its jobs.
    const NAME: &'static str;

    /// From the beginning of one run to that of the next, at least.
    fn interval(&self) -> Duration;

    /// One run. It ends early when the shutdown comes: what is left is the next run's.
    fn run(&self, db: &mut PgConnection, shutdown: &CancellationToken)
    -> impl Future<Output = sqlx::Result<()>> + Send;
}

/// The kind of job that a schedule puts in.
pub(super) struct OnSchedule<S>(pub(super) S);

#[derive(Deserialize)]
pub(super) struct Nothing {}

impl<S: Scheduled> Job for OnSchedule<S> {
    const KIND: &'static str = S::NAME;
    type Payload = Nothing;

    fn settings(&self) -> Settings {
        Settings {
            weight: 1,
            concurrency: 1,
            retry: RetryPolicy::doubling(Some(ATTEMPTS), Duration::from_secs(1), self.0.interval()),
            time_limit: TIME_LIMIT,
            kept: KEPT,
            dead_letter_kept: Some(FAILED_KEPT),
        }
    }

    async fn run(&self, Nothing {}: Nothing, context: &Context) -> Result<Outcome, JobError> {
        // Not the pool's any more: it is closed afterwards, and the lock with it, whatever happens.
        let mut connection = context.pool.acquire().await?.detach();
        if !schedules::hold(&mut connection, S::NAME).await? {
            tracing::info!(schedule = S::NAME, "somebody else is at it");
            return Ok(Outcome::Retry { after: LOCK_PAUSE });
        }
        self.0.run(&mut connection, &context.shutdown).await?;
        Ok(Outcome::DONE)
    }
}

/// Puts a job in whenever this worker comes first, until the shutdown.
pub(super) async fn follow(schedule: Schedule, pool: PgPool, worker: String, shutdown: CancellationToken) {
    let mut ticker = Ticker::new(schedule.interval / LOOKS, shutdown);
    while ticker.tick().await {
        match schedules::enqueue_due(&pool, schedule.kind, &worker, schedule.interval).await {
            Ok(DueCheck::Enqueued) => {}
            Ok(DueCheck::NotDue) => tracing::debug!(schedule = schedule.kind, "not due"),
            Ok(DueCheck::UnderWay) => tracing::info!(schedule = schedule.kind, "the last run is still under way"),
            Err(error) => tracing::warn!(%error, schedule = schedule.kind, "could not look at a schedule"),
        }
    }
}
