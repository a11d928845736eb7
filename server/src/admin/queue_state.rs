//! The queue's state for admins: the gauge's last sample of Redis, and the snapshot of PostgreSQL.

use chrono::{DateTime, Utc};
use serde::Serialize;
use troupe_core::{
    clock::{Clock, SystemClock},
    model::{
        admin::{Running, Worker},
        jobs::JobKind,
    },
};
use utoipa::ToSchema;

use super::{Admin, queue_snapshot::DispatchLag};
use crate::{health::DependencyStatus, http::error::ApiError};

/// The whole queue at a moment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct QueueState {
    at: DateTime<Utc>,
    /// `ok`, or `away`: then the tiers' levels are the last known ones.
    redis: DependencyStatus,
    /// Requests that are not final, 100,000 at most.
    open: u64,
    tiers: Vec<TierState>,
    /// The lag from dispatch to start, of running requests; null where none is running.
    dispatch_lag: Option<DispatchLag>,
    workers: Vec<Worker>,
    /// What runs under an unlisted worker.
    unlisted: Vec<Running>,
    /// Requests among the dead letters that are not retried or discarded yet, 10,000 at most.
    dead_letters: i64,
    /// The other jobs, by kind.
    jobs: Vec<JobKind>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct TierState {
    #[schema(example = "free")]
    tier: String,
    /// Jobs that are not claimed yet.
    waiting: u64,
    /// The age of the message at the head of the queue; null where the queue is empty.
    oldest_age_ms: Option<u64>,
    arrivals_per_second: f64,
    /// Finished jobs, whatever their outcome.
    completions_per_second: f64,
    /// Requests that failed for good, over the last minute.
    failures_per_second: f64,
}

pub(crate) async fn queue_state(admin: &Admin) -> Result<QueueState, ApiError> {
    let stored = admin.queue_snapshot.get(&admin.pool).await?;
    let gauge = &admin.chat.gauge;
    let tier = |name: &String| {
        let load = gauge.tier(name);
        let failures = stored.failures.get(name).copied().unwrap_or_default();
        TierState {
            tier: name.clone(),
            waiting: load.waiting,
            oldest_age_ms: load.oldest.map(|age| age.as_millis() as u64),
            arrivals_per_second: rounded(load.arrivals_per_second),
            completions_per_second: rounded(load.completions_per_second),
            failures_per_second: rounded(failures as f64 / 60.0),
        }
    };
    Ok(QueueState {
        at: SystemClock.now(),
        redis: DependencyStatus::of(gauge.redis_answers()),
        open: gauge.open(),
        tiers: gauge.tiers().iter().map(tier).collect(),
        dispatch_lag: stored.dispatch_lag,
        workers: stored.workers.clone(),
        unlisted: stored.unlisted.clone(),
        dead_letters: stored.dead_letters,
        jobs: stored.jobs.clone(),
    })
}

fn rounded(rate: f64) -> f64 {
    (rate * 100.0).round() / 100.0
}
