//! New jobs.

use std::time::Duration;

use serde_json::Value;
use sqlx::{PgExecutor, Result};
use troupe_core::{
    ids::{JobId, UserId},
    jobs::Payload,
};

/// A job to be enqueued.
#[derive(Debug, Clone)]
pub struct NewJob {
    pub id: JobId,
    kind: &'static str,
    key: Option<String>,
    user: Option<UserId>,
    payload: Value,
    delay: Duration,
}

impl NewJob {
    pub fn new<P: Payload>(payload: &P) -> Self {
        Self {
            id: JobId::new(),
            kind: P::KIND,
            key: payload.key(),
            user: None,
            payload: serde_json::to_value(payload).unwrap_or_default(),
            delay: Duration::ZERO,
        }
    }

    #[must_use]
    pub fn with_id(self, id: JobId) -> Self {
        Self { id, ..self }
    }

    /// Sets the user, who may have at most one open job of the kind.
    #[must_use]
    pub fn one_of(self, user: UserId) -> Self {
        Self { user: Some(user), key: Some(user.to_string()), ..self }
    }

    /// Sets the user, who may have many.
    #[must_use]
    pub fn of(self, user: UserId) -> Self {
        Self { user: Some(user), ..self }
    }

    /// Delays the job.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

/// Enqueues a job in the executor's transaction; `false` where an open job has the same kind and key.
pub async fn enqueue(db: impl PgExecutor<'_>, job: &NewJob) -> Result<bool> {
    let done = sqlx::query!(
        "insert into jobs (id, kind, key, user_id, payload, due_at)
         values ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))
         on conflict (kind, key) where finished_at is null and key is not null do nothing",
        job.id.as_uuid(),
        job.kind,
        job.key,
        job.user.map(UserId::as_uuid),
        job.payload,
        job.delay.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The same, unless `max_open` or so of the kind are open (not exact under concurrency).
pub async fn enqueue_bounded(db: impl PgExecutor<'_>, job: &NewJob, max_open: usize) -> Result<bool> {
    let max_open = i64::try_from(max_open).unwrap_or(i64::MAX);
    let done = sqlx::query!(
        "insert into jobs (id, kind, key, user_id, payload, due_at)
         select $1, $2, $3, $4, $5, now() + make_interval(secs => $6)
         where (select count(*) from (select from jobs where kind = $2 and finished_at is null limit $7) open) < $7
         on conflict (kind, key) where finished_at is null and key is not null do nothing",
        job.id.as_uuid(),
        job.kind,
        job.key,
        job.user.map(UserId::as_uuid),
        job.payload,
        job.delay.as_secs_f64(),
        max_open,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Whether a worker is at the same job, or will be: one with this payload's key.
pub async fn is_awaited<P: Payload>(db: impl PgExecutor<'_>, payload: &P) -> Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from jobs where kind = $1 and key = $2 and finished_at is null) as "awaited!""#,
        P::KIND,
        payload.key(),
    )
    .fetch_one(db)
    .await
}
