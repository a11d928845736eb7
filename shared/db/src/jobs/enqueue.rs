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

    /// It is this user's, of whom at most one of the kind is open.
    #[must_use]
    pub fn one_of(self, user: UserId) -> Self {
        Self { user: Some(user), key: Some(user.to_string()), ..self }
    }

    /// It is not due before so long.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

/// Enqueues a job with the transaction of the executor; `false` where one of its kind with its key is open already.
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

/// The same, where fewer than so many of its kind are open; about so many, when several come at once.
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
