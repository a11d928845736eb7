//! The workers that there are: each says so as long as it lives, so that admins see who works, and who has died. What
//! admins want of it is in its row; the answer to what it says.

use std::time::Duration;

use sqlx::{PgExecutor, Result};
use troupe_core::model::admin::{Worker, WorkerState};

/// Where PostgreSQL announces that a worker's row was changed.
pub const CHANNEL: &str = "troupe_workers";

/// What a worker says of itself.
#[derive(Debug, Clone)]
pub struct Report<'a> {
    pub name: &'a str,
    pub version: &'a str,
    /// Replies at the same time, as it was started.
    pub slots: usize,
    pub kinds: &'a [String],
    /// It says so again before this time is over.
    pub alive_for: Duration,
}

/// What is wanted of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orders {
    pub state: WorkerState,
    /// Replies at the same time.
    pub slots: i32,
}

/// Says that a worker lives, and learns what is wanted of it. Forgets those that died an hour ago.
pub async fn report(db: impl PgExecutor<'_>, report: &Report<'_>) -> Result<Orders> {
    sqlx::query_as!(
        Orders,
        r#"with forgotten as (delete from workers where alive_until < now() - interval '1 hour' and name <> $1)
           insert into workers as w (name, version, slots, kinds, alive_until)
           values ($1, $2, $3, $4, now() + make_interval(secs => $5))
           on conflict (name) do update set seen_at = now(), alive_until = excluded.alive_until
           returning w.state as "state: WorkerState", coalesce(w.concurrency, w.slots) as "slots!""#,
        report.name,
        report.version,
        i32::try_from(report.slots).unwrap_or(i32::MAX),
        report.kinds,
        report.alive_for.as_secs_f64(),
    )
    .fetch_one(db)
    .await
}

/// Takes leave of a worker that has ended in good order.
pub async fn remove(db: impl PgExecutor<'_>, name: &str) -> Result<()> {
    sqlx::query!("delete from workers where name = $1", name).execute(db).await?;
    Ok(())
}

/// What is wanted of a worker until now; nobody else changes it before the end of the transaction.
pub async fn lock(db: impl PgExecutor<'_>, name: &str) -> Result<Option<Orders>> {
    sqlx::query_as!(
        Orders,
        r#"select state as "state: WorkerState", coalesce(concurrency, slots) as "slots!" from workers
           where name = $1 for no key update"#,
        name,
    )
    .fetch_optional(db)
    .await
}

/// Says what is wanted of a worker from now on, and why.
pub async fn order(db: impl PgExecutor<'_>, name: &str, orders: Orders, reason: &str) -> Result<()> {
    sqlx::query!(
        "update workers set state = $2, concurrency = $3, reason = $4 where name = $1",
        name,
        orders.state as WorkerState,
        orders.slots,
        reason,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// All that are known, the longest-serving first; what they do is told by [`crate::replies::queue_state::running`] and
/// [`crate::jobs::list::running`].
pub async fn list(db: impl PgExecutor<'_>) -> Result<Vec<Worker>> {
    let rows = sqlx::query!(
        r#"select name, version, state as "state: WorkerState", reason, coalesce(concurrency, slots) as "slots!", kinds,
               started_at, seen_at, alive_until > now() as "alive!"
           from workers order by started_at, name limit 1000"#,
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Worker {
            name: row.name,
            version: row.version,
            state: row.state,
            reason: row.reason,
            slots: row.slots,
            kinds: row.kinds,
            started_at: row.started_at,
            seen_at: row.seen_at,
            alive: row.alive,
            running: Vec::new(),
            running_jobs: Vec::new(),
        })
        .collect())
}
