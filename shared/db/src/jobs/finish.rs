//! The ends of attempts at jobs. All are fenced: `false` where the lease is lost, and then nothing is changed.

use std::time::Duration;

use serde_json::Value;
use sqlx::{PgExecutor, Result};

use super::Lease;

/// Completes a job, which is kept for a while.
pub async fn finish(db: impl PgExecutor<'_>, lease: Lease, result: Option<&Value>, kept: Duration) -> Result<bool> {
    if kept.is_zero() {
        return remove(db, lease).await;
    }
    let done = sqlx::query!(
        "update jobs set status = 'done', result = $3, error = null, lease_until = null, finished_at = now(),
             expires_at = now() + make_interval(secs => $4)
         where id = $1 and attempt = $2 and status = 'running'",
        lease.job.as_uuid(),
        lease.attempt,
        result,
        kept.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Completes and deletes a job.
pub async fn remove(db: impl PgExecutor<'_>, lease: Lease) -> Result<bool> {
    let done = sqlx::query!(
        "delete from jobs where id = $1 and attempt = $2 and status = 'running'",
        lease.job.as_uuid(),
        lease.attempt,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Reschedules a job after a failed attempt, with a backoff.
pub async fn fail(db: impl PgExecutor<'_>, lease: Lease, error: &str, pause: Duration) -> Result<bool> {
    let done = sqlx::query!(
        "update jobs set status = 'waiting', failures = failures + 1, error = $3, lease_until = null,
             due_at = now() + make_interval(secs => $4)
         where id = $1 and attempt = $2 and status = 'running'",
        lease.job.as_uuid(),
        lease.attempt,
        error,
        pause.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Releases an unfinished job without a failure: any worker may lease it after a pause.
pub async fn put_back(db: impl PgExecutor<'_>, lease: Lease, pause: Duration) -> Result<bool> {
    let back = sqlx::query_scalar!(
        r#"with back as (
               update jobs set status = 'waiting', lease_until = null, due_at = now() + make_interval(secs => $3)
               where id = $1 and attempt = $2 and status = 'running' returning id
           )
           select count(pg_notify('troupe_jobs', '')) as "back!" from back"#,
        lease.job.as_uuid(),
        lease.attempt,
        pause.as_secs_f64(),
    )
    .fetch_one(db)
    .await?;
    Ok(back > 0)
}

/// Turns a job into a dead letter, removed after `kept`, or kept until it is resolved.
pub async fn dead_letter(db: impl PgExecutor<'_>, lease: Lease, error: &str, kept: Option<Duration>) -> Result<bool> {
    let done = sqlx::query!(
        "update jobs set status = 'failed', failures = failures + 1, error = $3, lease_until = null, finished_at = now(),
             expires_at = now() + make_interval(secs => $4)
         where id = $1 and attempt = $2 and status = 'running'",
        lease.job.as_uuid(),
        lease.attempt,
        error,
        kept.map(|kept| kept.as_secs_f64()),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}
