//! The registry of workers, by heartbeat. A worker's row also has its wanted state, which each heartbeat returns.

use std::time::Duration;

use sqlx::{PgExecutor, Result};
use troupe_core::model::admin::{Worker, WorkerState};

/// The channel on which PostgreSQL announces changed rows.
pub const CHANNEL: &str = "troupe_workers";

/// The heartbeat of a worker.
#[derive(Debug, Clone)]
pub struct Report<'a> {
    pub name: &'a str,
    pub version: &'a str,
    /// The configured number of concurrent replies.
    pub slots: usize,
    pub kinds: &'a [String],
    /// The worker counts as gone after this time without a heartbeat.
    pub alive_for: Duration,
}

/// The wanted state of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orders {
    pub state: WorkerState,
    /// The number of concurrent replies.
    pub slots: i32,
}

/// Stores a heartbeat and returns the wanted state. Removes workers that have been gone for an hour.
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

/// Removes a worker after an orderly shutdown.
pub async fn remove(db: impl PgExecutor<'_>, name: &str) -> Result<()> {
    sqlx::query!("delete from workers where name = $1", name).execute(db).await?;
    Ok(())
}

/// Locks the wanted state of a worker until the end of the transaction.
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

/// Sets the wanted state of a worker, and the reason.
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

/// All workers, the longest-running first; their jobs are in [`crate::replies::queue_state::running`] and
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
