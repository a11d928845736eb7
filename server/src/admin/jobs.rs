//! Jobs other than replies: why one waits; retrying or discarding dead letters among them.

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

use super::{
    Admin,
    why_waiting::{Reason, ReasonCode},
};
use crate::{audit::note, http::error::ApiError};

/// The maximum per call.
pub(crate) const MAX_RESOLVED: usize = 10_000;
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
    match job.status {
        JobStatus::Waiting => reasons_of_waiting(job, workers, before),
        JobStatus::Running => reasons_of_running(job, workers),
        JobStatus::Done => vec![Reason { since, ..Reason::new(ReasonCode::Final, "it is done") }],
        JobStatus::Failed => {
            vec![Reason { since, ..Reason::new(ReasonCode::DeadLetter, "it failed for good, and waits for an admin") }]
        }
        JobStatus::Discarded => vec![Reason { since, ..Reason::new(ReasonCode::Final, "an admin has discarded it") }],
    }
}

fn reasons_of_running(job: &Job, workers: &[Worker]) -> Vec<Reason> {
    let worker = job.worker.clone();
    let mut reasons = vec![Reason {
        worker: worker.clone(),
        since: job.started_at,
        until: job.lease_until,
        ..Reason::new(ReasonCode::InProgress, "a worker is doing it")
    }];
    if !workers.iter().any(|known| known.alive && Some(&known.name) == worker.as_ref()) {
        let detail = "its worker has fallen silent; when the lease has run out, another takes it";
        reasons.push(Reason { worker, until: job.lease_until, ..Reason::new(ReasonCode::WorkerGone, detail) });
    }
    reasons
}

fn reasons_of_waiting(job: &Job, workers: &[Worker], before: u64) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let until = Some(job.due_at);
    if job.due_at > SystemClock.now() {
        let (code, detail) = if job.failures > 0 {
            (ReasonCode::Backoff, "it failed, and is tried again after a pause")
        } else {
            (ReasonCode::Delayed, "it is not due yet")
        };
        reasons.push(Reason { until, ..Reason::new(code, detail) });
    } else {
        let detail = "it is due, with so many of its kind before it";
        reasons.push(Reason { jobs: Some(before), since: until, ..Reason::new(ReasonCode::Queued, detail) });
    }
    let mut able = workers.iter().filter(|worker| worker.alive && worker.kinds.contains(&job.kind)).peekable();
    if able.peek().is_none() {
        let detail = "no worker that is alive runs jobs of this kind";
        reasons.push(Reason::new(ReasonCode::NoWorker, detail));
    } else if able.all(|worker| worker.state != WorkerState::Active) {
        let detail = "every worker that runs jobs of this kind is paused, or draining";
        reasons.push(Reason::new(ReasonCode::WorkersPaused, detail));
    }
    reasons
}

/// The dead letters that a filter selects, and whether there are more of them than one call resolves.
pub(crate) async fn select(admin: &Admin, filter: &Filter) -> Result<(Vec<JobId>, bool), ApiError> {
    let mut ids = dead_letters::select(&admin.pool, filter, MAX_RESOLVED as i64 + 1).await?;
    let more = ids.len() > MAX_RESOLVED;
    ids.truncate(MAX_RESOLVED);
    Ok((ids, more))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolution {
    Retry,
    Discard,
}

/// Retries or discards dead letters; returns their number. Resolved ones are skipped, so a repeated call does the rest.
pub(crate) async fn resolve(admin: &Admin, by: &By, ids: &[JobId], resolution: Resolution) -> Result<usize, ApiError> {
    let mut count = 0;
    for batch in ids.chunks(BATCH) {
        let mut transaction = admin.pool.begin().await?;
        let (resolved, verb) = match resolution {
            Resolution::Retry => (dead_letters::retry(&mut *transaction, batch).await?, "job.retried"),
            Resolution::Discard => (dead_letters::discard(&mut *transaction, batch).await?, "job.discarded"),
        };
        for job in &resolved {
            let on = On::thing("job", job.id);
            let on = if let Some(user) = job.user_id { on.of(user) } else { on };
            note(&mut *transaction, &by.does(verb).on(on).after(&job.kind)).await?;
        }
        transaction.commit().await?;
        for job in &resolved {
            tracing::info!(admin_id = by.user.map(tracing::field::display), job_id = %job.id, kind = job.kind, verb, "a job is settled");
        }
        count += resolved.len();
    }
    Ok(count)
}
