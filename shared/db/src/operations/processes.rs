//! The registry of processes, by heartbeat: what each of them uses, for admins.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, PgPool, Result};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use troupe_core::{ids::ProcessId, metrics::process, model::admin::ProcessKind};

use crate::with_response_timeout;

const INTERVAL: Duration = Duration::from_secs(15);

/// A process.
#[derive(Debug, Clone)]
pub struct Process {
    pub id: ProcessId,
    pub kind: ProcessKind,
    pub version: String,
    pub host: String,
    pub started_at: DateTime<Utc>,
    pub seen_at: DateTime<Utc>,
    pub memory_bytes: i64,
    pub cpu_seconds: f64,
    pub pool_size: i32,
    pub pool_idle: i32,
    pub sockets: Option<i32>,
}

/// Sends a heartbeat every quarter of a minute until the shutdown, then deregisters.
pub async fn report_while_alive(
    pool: PgPool,
    kind: ProcessKind,
    sockets: impl Fn() -> Option<usize> + Send,
    shutdown: CancellationToken,
) {
    let id = ProcessId::new();
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        if let Err(error) = with_response_timeout(report(&pool, id, kind, sockets())).await {
            tracing::debug!(%error, "could not say that this process is there");
        }
    }
    if let Err(error) = with_response_timeout(remove(&pool, id)).await {
        tracing::debug!(%error, "went without taking leave");
    }
}

async fn report(pool: &PgPool, id: ProcessId, kind: ProcessKind, sockets: Option<usize>) -> Result<()> {
    sqlx::query!(
        r#"with forgotten as (delete from processes where seen_at < now() - interval '5 minutes' and id <> $1)
           insert into processes (id, kind, version, host, memory_bytes, cpu_seconds, pool_size, pool_idle, sockets)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
           on conflict (id) do update set seen_at = now(), memory_bytes = excluded.memory_bytes,
               cpu_seconds = excluded.cpu_seconds, pool_size = excluded.pool_size, pool_idle = excluded.pool_idle,
               sockets = excluded.sockets"#,
        id.as_uuid(),
        kind as ProcessKind,
        env!("CARGO_PKG_VERSION"),
        process::host_name(),
        process::resident_bytes() as i64,
        process::cpu_seconds(),
        i32::try_from(pool.size()).unwrap_or(i32::MAX),
        i32::try_from(pool.num_idle()).unwrap_or(i32::MAX),
        sockets.map(|open| i32::try_from(open).unwrap_or(i32::MAX)),
    )
    .execute(pool)
    .await?;
    Ok(())
}

async fn remove(db: impl PgExecutor<'_>, id: ProcessId) -> Result<()> {
    sqlx::query!("delete from processes where id = $1", id.as_uuid()).execute(db).await?;
    Ok(())
}

/// All processes that were there within the last minutes, servers first, the longest-running first.
pub async fn list(db: impl PgExecutor<'_>) -> Result<Vec<Process>> {
    sqlx::query_as!(
        Process,
        r#"select id as "id: ProcessId", kind as "kind: ProcessKind", version, host, started_at, seen_at, memory_bytes, cpu_seconds, pool_size,
               pool_idle, sockets
           from processes order by kind, started_at, id limit 1000"#,
    )
    .fetch_all(db)
    .await
}
