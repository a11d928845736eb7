//! Jobs, as shown to admins.

use sqlx::{PgExecutor, Result};
use troupe_core::{
    ids::{JobId, UserId},
    model::{
        admin::RunningJob,
        jobs::{Job, JobKind, JobStatus},
    },
};
use uuid::Uuid;

use crate::Page;

/// The maximum count per kind.
const MAX_COUNTED: i64 = 10_000;
/// The maximum of listed running jobs per kind.
const MAX_RUNNING: i64 = 1_000;

/// A filter; omitted fields match all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub kind: Option<String>,
    pub status: Option<JobStatus>,
}

/// The newest first: a page of each kind and status, merged.
pub async fn list(db: impl PgExecutor<'_>, filter: &Filter, page: Page<JobId>) -> Result<Vec<Job>> {
    sqlx::query_as!(
        Job,
        r#"select j.id as "id: JobId", j.kind, j.status as "status: JobStatus", j.user_id as "user_id: UserId", j.attempt,
               j.failures, j.lapses, j.worker, j.progress, j.result, j.error, j.cost, j.created_at, j.due_at, j.started_at,
               j.lease_until, j.finished_at, j.expires_at
           from job_kinds k
           cross join unnest(array['waiting', 'running', 'done', 'failed', 'discarded']) as s (status)
           cross join lateral (
               select * from jobs where kind = k.kind and status = s.status and id < $3 order by id desc limit $4) j
           where ($1::text is null or k.kind = $1) and ($2::text is null or s.status = $2)
           order by j.id desc limit $4"#,
        filter.kind.as_deref(),
        filter.status as Option<JobStatus>,
        page.after.map_or(Uuid::max(), JobId::as_uuid),
        page.limit,
    )
    .fetch_all(db)
    .await
}

pub async fn find(db: impl PgExecutor<'_>, id: JobId) -> Result<Option<Job>> {
    sqlx::query_as!(
        Job,
        r#"select id as "id: JobId", kind, status as "status: JobStatus", user_id as "user_id: UserId", attempt,
               failures, lapses, worker, progress, result, error, cost, created_at, due_at, started_at,
               lease_until, finished_at, expires_at
           from jobs where id = $1"#,
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await
}

/// The counts of each kind that has jobs.
pub async fn kinds(db: impl PgExecutor<'_>) -> Result<Vec<JobKind>> {
    sqlx::query_as!(
        JobKind,
        r#"select k.kind as "kind!",
               (select count(*) from (select from jobs where kind = k.kind and status = 'waiting' limit $1) w) as "waiting!",
               (select count(*) from (select from jobs where kind = k.kind and status = 'running' limit $1) r) as "running!",
               (select count(*) from (select from jobs where kind = k.kind and status = 'failed' limit $1) f) as "dead_letters!",
               (select coalesce(lease_until, due_at) from jobs
                where kind = k.kind and finished_at is null and coalesce(lease_until, due_at) <= now()
                order by coalesce(lease_until, due_at) limit 1) as due_since
           from job_kinds k"#,
        MAX_COUNTED,
    )
    .fetch_all(db)
    .await
}

/// The running jobs, each with its worker.
pub async fn running(db: impl PgExecutor<'_>) -> Result<Vec<RunningJob>> {
    sqlx::query_as!(
        RunningJob,
        r#"select j.id as "id: JobId", j.kind, j.attempt, j.started_at, j.lease_until, j.worker
           from job_kinds k
           cross join lateral (
               select * from jobs where kind = k.kind and status = 'running' order by id limit $1) j"#,
        MAX_RUNNING,
    )
    .fetch_all(db)
    .await
}

/// The number of jobs of a kind that are due before this one.
pub async fn before(db: impl PgExecutor<'_>, job: &Job) -> Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from (
               select from jobs where kind = $1 and finished_at is null and coalesce(lease_until, due_at) < $2 and id <> $3
                   and status = 'waiting'
               limit $4) due"#,
        job.kind,
        job.due_at,
        job.id.as_uuid(),
        MAX_COUNTED,
    )
    .fetch_one(db)
    .await
}
