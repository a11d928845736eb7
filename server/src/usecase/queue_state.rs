//! The queue as admins see it: the gauge's last look at Redis, and who does what by PostgreSQL.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;
use tokio::{sync::Mutex, time::Instant};
use troupe_shared::{
    clock::{Clock, SystemClock},
    db::{dead_letters, queue_state, workers},
    model::admin::{Running, Worker},
};
use utoipa::ToSchema;

use crate::{error::ApiError, state::AppState};

/// More dead letters are not counted.
const MOST_DEAD_LETTERS: i64 = 10_000;
/// What PostgreSQL says is good for so long, however many admins watch.
const FRESH_FOR: Duration = Duration::from_secs(2);

/// The whole queue at a moment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct QueueState {
    at: DateTime<Utc>,
    /// `ok`, or `away`: then the tiers' levels are the last that were known.
    #[schema(example = "ok")]
    redis: &'static str,
    /// Requests that are not final, 100,000 at most.
    open: u64,
    tiers: Vec<TierState>,
    /// From being handed to the queue to the start, of what is running; null where nothing is.
    dispatch_lag: Option<DispatchLag>,
    workers: Vec<Worker>,
    /// What runs under a worker that is not among them.
    unlisted: Vec<Running>,
    /// Dead letters that wait to be settled, 10,000 at most.
    dead_letters: i64,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct TierState {
    #[schema(example = "free")]
    tier: String,
    /// Jobs that no worker has taken yet.
    waiting: u64,
    /// Since the message at the head of the queue was sent; null where the queue is empty.
    oldest_age_ms: Option<u64>,
    arrivals_per_second: f64,
    /// Jobs done with, however they ended.
    completions_per_second: f64,
    /// Requests that failed for good, over the last minute.
    failures_per_second: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct DispatchLag {
    median_ms: i64,
    longest_ms: i64,
}

/// What PostgreSQL says.
pub(crate) struct Stored {
    workers: Vec<Worker>,
    unlisted: Vec<Running>,
    dispatch_lag: Option<DispatchLag>,
    failures: HashMap<String, i64>,
    dead_letters: i64,
}

/// What PostgreSQL said last. Whoever comes while it is asked waits for that answer.
#[derive(Default)]
pub(crate) struct LastStored(Mutex<Option<(Instant, Arc<Stored>)>>);

impl LastStored {
    async fn get(&self, pool: &PgPool) -> Result<Arc<Stored>, ApiError> {
        let mut last = self.0.lock().await;
        if let Some((at, stored)) = &*last
            && at.elapsed() < FRESH_FOR
        {
            return Ok(stored.clone());
        }
        let stored = Arc::new(Stored::look(pool).await?);
        *last = Some((Instant::now(), stored.clone()));
        Ok(stored)
    }
}

impl Stored {
    async fn look(pool: &PgPool) -> Result<Self, sqlx::Error> {
        let running = queue_state::running(pool).await?;
        let dispatch_lag = dispatch_lag(&running);
        let (mut workers, mut unlisted) = (workers::list(pool).await?, Vec::new());
        for running in running {
            match workers.iter_mut().find(|worker| worker.name == running.worker) {
                Some(worker) => worker.running.push(running),
                None => unlisted.push(running),
            }
        }
        let failures = queue_state::failures_of_a_minute(pool).await?;
        let dead_letters = dead_letters::count(pool, MOST_DEAD_LETTERS).await?;
        Ok(Self { workers, unlisted, dispatch_lag, failures, dead_letters })
    }
}

fn dispatch_lag(running: &[Running]) -> Option<DispatchLag> {
    let mut lags: Vec<_> = running.iter().filter_map(|running| running.dispatch_lag_ms).collect();
    lags.sort_unstable();
    Some(DispatchLag { median_ms: *lags.get(lags.len() / 2)?, longest_ms: *lags.last()? })
}

pub(crate) async fn queue_state(state: &AppState) -> Result<QueueState, ApiError> {
    let stored = state.last_stored.get(&state.pool).await?;
    let gauge = &state.gauge;
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
        redis: if gauge.redis_answers() { "ok" } else { "away" },
        open: gauge.open(),
        tiers: gauge.tiers().iter().map(tier).collect(),
        dispatch_lag: stored.dispatch_lag,
        workers: stored.workers.clone(),
        unlisted: stored.unlisted.clone(),
        dead_letters: stored.dead_letters,
    })
}

fn rounded(rate: f64) -> f64 {
    (rate * 100.0).round() / 100.0
}
