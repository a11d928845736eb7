//! Leases of jobs: exclusive to a worker while it renews them.

use std::time::Duration;

use serde_json::Value;
use sqlx::{PgExecutor, Result};
use troupe_core::ids::{JobId, UserId};

/// One attempt at a job, which fences every statement of its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub job: JobId,
    /// The fencing token.
    pub attempt: i32,
}

/// A leased job.
#[derive(Debug, Clone)]
pub struct Taken {
    pub lease: Lease,
    pub kind: String,
    pub user: Option<UserId>,
    pub payload: Value,
    /// The progress of earlier attempts.
    pub progress: Option<Value>,
    pub failures: i32,
    pub lapses: i32,
    pub error: Option<String>,
    /// From being due to the lease.
    pub waited: Duration,
}

/// The free slots of a kind in a worker, and the duration of a lease.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub kind: &'static str,
    pub max_jobs: usize,
    pub lease: Duration,
}

/// Leases due jobs, the longest due first, including those whose lease has expired. At most 100 at a time: a small
/// bound makes the planner look each up by its key.
pub async fn take(db: impl PgExecutor<'_>, worker: &str, wanted: &[Wanted]) -> Result<Vec<Taken>> {
    let kinds: Vec<_> = wanted.iter().map(|wanted| wanted.kind).collect();
    let max_jobs: Vec<_> = wanted.iter().map(|wanted| i64::try_from(wanted.max_jobs).unwrap_or(i64::MAX)).collect();
    let leases: Vec<_> = wanted.iter().map(|wanted| wanted.lease.as_secs_f64()).collect();
    let rows = sqlx::query!(
        r#"with due as materialized (
               select d.id, d.since, w.lease
               from unnest($2::text[], $3::bigint[], $4::float8[]) as w (kind, most, lease)
               cross join lateral (
                   select id, coalesce(lease_until, due_at) as since from jobs
                   where kind = w.kind and finished_at is null and coalesce(lease_until, due_at) <= now()
                   order by coalesce(lease_until, due_at) limit w.most for update skip locked) d
           )
           update jobs j set attempt = j.attempt + 1, lapses = j.lapses + (j.status = 'running')::integer, status = 'running',
               worker = $1, started_at = clock_timestamp(), lease_until = clock_timestamp() + make_interval(secs => d.lease)
           from (select * from due limit 100) d where j.id = d.id
           returning j.id as "id: JobId", j.attempt, j.kind, j.user_id as "user: UserId", j.payload, j.progress,
               j.failures, j.lapses, j.error, extract(epoch from clock_timestamp() - d.since)::float8 as "waited!""#,
        worker,
        &kinds as &[&str],
        &max_jobs,
        &leases,
    )
    .fetch_all(db)
    .await?;
    let taken = rows.into_iter().map(|row| Taken {
        lease: Lease { job: row.id, attempt: row.attempt },
        kind: row.kind,
        user: row.user,
        payload: row.payload,
        progress: row.progress,
        failures: row.failures,
        lapses: row.lapses,
        error: row.error,
        waited: Duration::try_from_secs_f64(row.waited).unwrap_or_default(),
    });
    Ok(taken.collect())
}

/// Renews a lease from now on; `false` where it is lost. In a transaction the job stays this worker's until its end.
pub async fn renew(db: impl PgExecutor<'_>, lease: Lease, duration: Duration) -> Result<bool> {
    let done = sqlx::query!(
        "update jobs set lease_until = clock_timestamp() + make_interval(secs => $3)
         where id = $1 and attempt = $2 and status = 'running'",
        lease.job.as_uuid(),
        lease.attempt,
        duration.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Renews the lease and stores the progress.
pub async fn progress(db: impl PgExecutor<'_>, lease: Lease, progress: &Value, duration: Duration) -> Result<bool> {
    let done = sqlx::query!(
        "update jobs set progress = $3, lease_until = clock_timestamp() + make_interval(secs => $4)
         where id = $1 and attempt = $2 and status = 'running'",
        lease.job.as_uuid(),
        lease.attempt,
        progress,
        duration.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Sets the job's user, and replaces its payload.
pub async fn assign(db: impl PgExecutor<'_>, lease: Lease, user: UserId, payload: &Value) -> Result<bool> {
    let done = sqlx::query!(
        "update jobs set user_id = $3, payload = $4 where id = $1 and attempt = $2 and status = 'running'",
        lease.job.as_uuid(),
        lease.attempt,
        user.as_uuid(),
        payload,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}
