//! Leases: a job is a worker's for a while, and for longer only while the worker says so.

use std::time::Duration;

use serde_json::Value;
use sqlx::{PgExecutor, Result};
use troupe_core::ids::{JobId, UserId};

/// One attempt at a job. Whatever a worker says of the job names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub job: JobId,
    /// The fencing token.
    pub attempt: i32,
}

/// A job that a worker has taken.
#[derive(Debug, Clone)]
pub struct Taken {
    pub lease: Lease,
    pub kind: String,
    pub user: Option<UserId>,
    pub payload: Value,
    /// What an earlier attempt has left.
    pub progress: Option<Value>,
    pub failures: i32,
    pub lapses: i32,
    pub error: Option<String>,
    /// From the moment at which it could be taken to the lease.
    pub waited: Duration,
}

/// How many jobs of a kind a worker has room for, and for how long it leases each.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub kind: &'static str,
    pub max_jobs: usize,
    pub lease: Duration,
}

/// Takes what is due, what has waited longest first; also what is leased to a worker that did not renew in time. At
/// most 100 at a time: the bound lets the planner know that they are few, and look each up by its key.
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

/// Keeps a job for so long from now; `false` where the lease is lost. In a transaction nobody else takes the job until
/// its end.
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

/// The same, and says how far the job is.
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

/// The job turns out to be this user's, and this is what it needs to know from now on.
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
