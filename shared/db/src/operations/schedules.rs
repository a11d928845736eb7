//! Schedules: periodic jobs, once however many workers there are. Each due time enqueues one job.

use std::time::Duration;

use sqlx::{PgConnection, PgExecutor, Result};

/// The result of checking a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueCheck {
    /// The last run started within the interval.
    NotDue,
    /// A job was enqueued.
    Enqueued,
    /// It is due, but the previous job is still open.
    UnderWay,
}

/// Enqueues a job of this kind, if the schedule is due: the first caller advances the schedule, in the same statement.
pub async fn enqueue_due(db: impl PgExecutor<'_>, kind: &str, worker: &str, interval: Duration) -> Result<DueCheck> {
    let row = sqlx::query!(
        r#"with due as (
               insert into schedules as s (name, last_run, worker) values ($1, now(), $2)
               on conflict (name) do update set last_run = now(), worker = $2
               where s.last_run <= now() - make_interval(secs => $3)
               returning name
           ), enqueued as (
               insert into jobs (kind, key) select name, name from due
               on conflict (kind, key) where finished_at is null and key is not null do nothing
               returning id
           )
           select exists (select from due) as "due!", exists (select from enqueued) as "enqueued!""#,
        kind,
        worker,
        interval.as_secs_f64(),
    )
    .fetch_one(db)
    .await?;
    Ok(match (row.due, row.enqueued) {
        (false, _) => DueCheck::NotDue,
        (true, true) => DueCheck::Enqueued,
        (true, false) => DueCheck::UnderWay,
    })
}

/// Takes the lock of a run, held by the connection; `false` where another run has it.
pub async fn hold(db: &mut PgConnection, name: &str) -> Result<bool> {
    sqlx::query_scalar!(
        r#"select pg_try_advisory_lock(hashtextextended('troupe schedule ' || $1::text, 0)) as "held!""#,
        name,
    )
    .fetch_one(db)
    .await
}
