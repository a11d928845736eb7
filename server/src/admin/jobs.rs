//! Jobs other than replies: why one waits, and what becomes of dead letters among them.

use serde::Serialize;
use troupe_core::{
    clock::{Clock, SystemClock},
    ids::JobId,
    model::{
        admin::{Worker, WorkerState},
        audit::{By, On},
        jobs::{Job, JobStatus},
    },
};
use troupe_db::{
    jobs::{
        dead_letters::{self, Filter},
        list,
    },
    operations::workers,
};
use utoipa::ToSchema;

use super::{Admin, why_waiting::Reason};
use crate::{audit::note, http::error::ApiError};

/// More are not settled in one call.
pub(crate) const MAX_SETTLED: usize = 10_000;
const BATCH: usize = 200;

/// A job, and why it is not done yet.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobView {
    #[serde(flatten)]
    job: Job,
    reasons: Vec<Reason>,
}

pub(crate) async fn explain(admin: &Admin, id: JobId) -> Result<Option<JobView>, ApiError> {
    let Some(job) = list::find(&admin.pool, id).await? else { return Ok(None) };
    let workers = workers::list(&admin.pool).await?;
    let before = if job.status == JobStatus::Waiting { list::before(&admin.pool, &job).await? } else { 0 };
    let reasons = reasons(&job, &workers, before.unsigned_abs());
    Ok(Some(JobView { job, reasons }))
}

fn reasons(job: &Job, workers: &[Worker], before: u64) -> Vec<Reason> {
    let since = job.finished_at;
    let reason = |code, detail| Reason { code, detail, ..Reason::default() };
    match job.status {
        JobStatus::Waiting => reasons_of_waiting(job, workers, before),
        JobStatus::Running => reasons_of_running(job, workers),
        JobStatus::Done => vec![Reason { since, ..reason("final", "it is done") }],
        JobStatus::Failed => {
            vec![Reason { since, ..reason("dead_letter", "it failed for good, and waits for an admin") }]
        }
        JobStatus::Discarded => vec![Reason { since, ..reason("final", "an admin has discarded it") }],
    }
}

fn reasons_of_running(job: &Job, workers: &[Worker]) -> Vec<Reason> {
    let worker = job.worker.clone();
    let mut reasons = vec![Reason {
        code: "in_progress",
        detail: "a worker is doing it",
        worker: worker.clone(),
        since: job.started_at,
        until: job.lease_until,
        ..Reason::default()
    }];
    if !workers.iter().any(|known| known.alive && Some(&known.name) == worker.as_ref()) {
        let detail = "its worker has fallen silent; when the lease has run out, another takes it";
        reasons.push(Reason { code: "worker_gone", detail, worker, until: job.lease_until, ..Reason::default() });
    }
    reasons
}

fn reasons_of_waiting(job: &Job, workers: &[Worker], before: u64) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let until = Some(job.due_at);
    if job.due_at > SystemClock.now() {
        let (code, detail) = if job.failures > 0 {
            ("backoff", "it failed, and is tried again after a pause")
        } else {
            ("delayed", "it is not due yet")
        };
        reasons.push(Reason { code, detail, until, ..Reason::default() });
    } else {
        let detail = "it is due, with so many of its kind before it";
        reasons.push(Reason { code: "queued", detail, jobs: Some(before), since: until, ..Reason::default() });
    }
    let mut able = workers.iter().filter(|worker| worker.alive && worker.kinds.contains(&job.kind)).peekable();
    if able.peek().is_none() {
        let detail = "no worker that is alive runs jobs of this kind";
        reasons.push(Reason { code: "no_worker", detail, ..Reason::default() });
    } else if able.all(|worker| worker.state != WorkerState::Active) {
        let detail = "every worker that runs jobs of this kind is paused, or draining";
        reasons.push(Reason { code: "workers_paused", detail, ..Reason::default() });
    }
    reasons
}

/// What a filter selects now, and whether there are more than one call settles.
pub(crate) async fn select(admin: &Admin, filter: &Filter) -> Result<(Vec<JobId>, bool), ApiError> {
    let mut ids = dead_letters::select(&admin.pool, filter, MAX_SETTLED as i64 + 1).await?;
    let more = ids.len() > MAX_SETTLED;
    ids.truncate(MAX_SETTLED);
    Ok((ids, more))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settlement {
    Retry,
    Discard,
}

/// Settles dead letters; returns how many. Those that are settled already are passed over, so calling again does what is left.
pub(crate) async fn settle(admin: &Admin, by: &By, ids: &[JobId], settlement: Settlement) -> Result<usize, ApiError> {
    let mut count = 0;
    for batch in ids.chunks(BATCH) {
        let mut transaction = admin.pool.begin().await?;
        let (settled, verb) = match settlement {
            Settlement::Retry => (dead_letters::retry(&mut *transaction, batch).await?, "job.retried"),
            Settlement::Discard => (dead_letters::discard(&mut *transaction, batch).await?, "job.discarded"),
        };
        for job in &settled {
            let on = On::thing("job", job.id);
            let on = if let Some(user) = job.user_id { on.of(user) } else { on };
            note(&mut *transaction, &by.does(verb).on(on).after(&job.kind)).await?;
        }
        transaction.commit().await?;
        for job in &settled {
            tracing::info!(admin_id = by.user.map(tracing::field::display), job_id = %job.id, kind = job.kind, verb, "a job is settled");
        }
        count += settled.len();
    }
    Ok(count)
}
