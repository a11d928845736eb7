//! The queue's state in PostgreSQL, cached for all admins who watch.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use tokio::{sync::Mutex, time::Instant};
use troupe_core::model::{
    admin::{Running, Worker, WorkerState},
    jobs::JobKind,
    money::Scope,
};
use troupe_db::{
    jobs,
    money::budgets,
    operations::workers,
    replies::{dead_letters, queue_state},
};
use utoipa::ToSchema;

use crate::{
    http::error::ApiError,
    metrics::{BudgetLabels, JobLabels, KindLabel, QUEUE, StateLabel},
};

const STATES: [(WorkerState, &str); 3] =
    [(WorkerState::Active, "active"), (WorkerState::Paused, "paused"), (WorkerState::Draining, "draining")];

/// Dead letters are counted up to this.
const MAX_DEAD_LETTERS: i64 = 10_000;
/// The lifetime of the cache.
const TTL: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct DispatchLag {
    median_ms: i64,
    longest_ms: i64,
}

/// A snapshot of PostgreSQL.
pub(crate) struct QueueSnapshot {
    pub(super) workers: Vec<Worker>,
    pub(super) unlisted: Vec<Running>,
    pub(super) dispatch_lag: Option<DispatchLag>,
    pub(super) failures: HashMap<String, i64>,
    pub(super) dead_letters: i64,
    pub(super) jobs: Vec<JobKind>,
    budgets_used: Vec<(Scope, String, f64)>,
}

/// The last snapshot. Concurrent callers share one query.
#[derive(Default)]
pub(crate) struct QueueSnapshotCache(Mutex<Option<(Instant, Arc<QueueSnapshot>)>>);

impl QueueSnapshotCache {
    pub(super) async fn get(&self, pool: &PgPool) -> Result<Arc<QueueSnapshot>, ApiError> {
        let mut last = self.0.lock().await;
        if let Some((at, stored)) = &*last
            && at.elapsed() < TTL
        {
            return Ok(stored.clone());
        }
        let stored = Arc::new(QueueSnapshot::load(pool).await?);
        *last = Some((Instant::now(), stored.clone()));
        Ok(stored)
    }

    /// Shows it as metrics.
    pub(crate) async fn show(&self, pool: &PgPool, now: DateTime<Utc>) -> Result<(), ApiError> {
        let snapshot = self.get(pool).await?;
        QUEUE.dead_letters.set(snapshot.dead_letters);
        for (state, name) in STATES {
            let workers = snapshot.workers.iter().filter(|worker| worker.alive && worker.state == state).count();
            QUEUE.workers.get_or_create(&StateLabel { state: name }).set(workers as i64);
        }
        for jobs in &snapshot.jobs {
            let show = |status, jobs_now| {
                QUEUE.jobs.get_or_create(&JobLabels { kind: jobs.kind.clone(), status }).set(jobs_now);
            };
            show("waiting", jobs.waiting);
            show("running", jobs.running);
            show("dead_letter", jobs.dead_letters);
            let waited = jobs.due_since.map_or(0, |since| (now - since).num_seconds().max(0));
            QUEUE.oldest_job.get_or_create(&KindLabel { kind: jobs.kind.clone() }).set(waited);
        }
        // A budget that was removed is no longer shown.
        QUEUE.budget_used.clear();
        for (scope, subject, used) in &snapshot.budgets_used {
            let labels = BudgetLabels { scope: scope.name(), subject: subject.clone() };
            QUEUE.budget_used.get_or_create(&labels).set(*used);
        }
        Ok(())
    }
}

impl QueueSnapshot {
    async fn load(pool: &PgPool) -> Result<Self, sqlx::Error> {
        let running = queue_state::running(pool).await?;
        let dispatch_lag = dispatch_lag(&running);
        let (workers, unlisted) = workers_at_work(&mut *pool.acquire().await?, running).await?;
        let failures = queue_state::failures_of_a_minute(pool).await?;
        let dead_letters = dead_letters::count(pool, MAX_DEAD_LETTERS).await?;
        let jobs = jobs::list::kinds(pool).await?;
        let budgets_used = budgets::used(pool).await?;
        Ok(Self { workers, unlisted, dispatch_lag, failures, dead_letters, jobs, budgets_used })
    }
}

/// The workers, each with what it runs; and requests that run under an unknown worker.
pub(super) async fn workers_at_work(
    db: &mut PgConnection,
    running: Vec<Running>,
) -> Result<(Vec<Worker>, Vec<Running>), sqlx::Error> {
    let (mut workers, mut unlisted) = (workers::list(&mut *db).await?, Vec::new());
    for running in running {
        match workers.iter_mut().find(|worker| worker.name == running.worker) {
            Some(worker) => worker.running.push(running),
            None => unlisted.push(running),
        }
    }
    for job in jobs::list::running(db).await? {
        if let Some(worker) = workers.iter_mut().find(|worker| Some(&worker.name) == job.worker.as_ref()) {
            worker.running_jobs.push(job);
        }
    }
    Ok((workers, unlisted))
}

fn dispatch_lag(running: &[Running]) -> Option<DispatchLag> {
    let mut lags: Vec<_> = running.iter().filter_map(|running| running.dispatch_lag_ms).collect();
    lags.sort_unstable();
    Some(DispatchLag { median_ms: *lags.get(lags.len() / 2)?, longest_ms: *lags.last()? })
}
