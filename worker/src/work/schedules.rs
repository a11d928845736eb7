//! Periodic jobs, once however many workers there are.
//!
//! Every worker polls a few times per interval; PostgreSQL lets one of them enqueue the next job if the last run is
//! long enough ago. From then on it is leased work, and survives the death of its worker. A lock on the runner's
//! connection excludes concurrent runs, such as by a command or a worker that was frozen.

use std::time::Duration;

use serde::Deserialize;
use sqlx::{PgConnection, PgPool};
use tokio_util::sync::CancellationToken;
use troupe_db::{
    operations::schedules::{self, DueCheck},
    with_response_timeout,
};

use super::{Context, Job, JobError, Outcome, RetryPolicy, Settings, Ticker, registry::Schedule};

/// Polls per interval: a dead worker delays the next run by a fraction of it only.
const LOOKS: u32 = 4;
/// The timeout of a run; the next attempt continues.
const TIME_LIMIT: Duration = Duration::from_hours(6);
const ATTEMPTS: u32 = 3;
/// The retention of runs, longer for failed ones: the next due time makes another.
const KEPT: Duration = Duration::from_hours(1);
const FAILED_KEPT: Duration = Duration::from_hours(24);
/// The interval of tries to get the lock.
const LOCK_PAUSE: Duration = Duration::from_secs(1);

/// A schedule.
pub(crate) trait Scheduled: Send + Sync + 'static {
    /// The name in the database: of the schedule, and of its kind of job.
    const NAME: &'static str;

    /// The minimum time from the start of one run to that of the next.
    fn interval(&self) -> Duration;

    /// One run. It returns early at the shutdown: the next run continues.
    fn run(&self, db: &mut PgConnection, shutdown: &CancellationToken)
    -> impl Future<Output = sqlx::Result<()>> + Send;
}

/// The kind of job of a schedule.
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
        // Detached from the pool: it is closed afterwards, which releases the lock in any case.
        let mut connection = context.pool.acquire().await?.detach();
        if !schedules::hold(&mut connection, S::NAME).await? {
            tracing::info!(schedule = S::NAME, "somebody else is at it");
            return Ok(Outcome::Retry { after: LOCK_PAUSE });
        }
        self.0.run(&mut connection, &context.shutdown).await?;
        Ok(Outcome::DONE)
    }
}

/// Polls the schedule until the shutdown, enqueueing jobs.
pub(super) async fn follow(schedule: Schedule, pool: PgPool, worker: String, shutdown: CancellationToken) {
    let mut ticker = Ticker::new(schedule.interval / LOOKS, shutdown);
    while ticker.tick().await {
        let due = schedules::enqueue_due(&pool, schedule.kind, &worker, schedule.interval);
        match with_response_timeout(due).await {
            Ok(DueCheck::Enqueued) => {}
            Ok(DueCheck::NotDue) => tracing::debug!(schedule = schedule.kind, "not due"),
            Ok(DueCheck::UnderWay) => tracing::info!(schedule = schedule.kind, "the last run is still under way"),
            Err(error) => tracing::warn!(%error, schedule = schedule.kind, "could not look at a schedule"),
        }
    }
}
