//! The sweeper: hands over again what ought to be in the queue and may not be.
//!
//! Retries that are due, requests whose push was lost, running ones whose worker died, and everything queued when Redis has
//! lost its data. It runs in every worker; an advisory lock lets one act at a time.

use std::sync::Arc;

use futures::future::FutureExt;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use troupe_core::{config::Config, ports::JobQueue};
use troupe_db::replies::{accept::Limits, requests};

/// Of the lock that the acting sweeper holds.
const LOCK: i64 = 0x0074_726f_7570_6501;
const BATCH: i64 = 500;
/// A sweeper that does not go on for so long is given up.
const FROZEN: &str = "3s";

pub(crate) async fn run(pool: PgPool, jobs: Arc<dyn JobQueue>, config: Config, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(config.worker.sweep_interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(ticks.tick().map(drop)).await.is_some() {
        if let Err(error) = sweep(&pool, jobs.as_ref(), Limits::from(&config.queue)).await {
            tracing::warn!(error, "the sweep did not finish");
        }
    }
}

async fn sweep(pool: &PgPool, jobs: &dyn JobQueue, limits: Limits) -> Result<(), String> {
    let due = async {
        let mut transaction = pool.begin().await?;
        // If this process freezes here, PostgreSQL ends its transaction, and with it the lock: others must go on.
        let acting =
            "select pg_try_advisory_xact_lock($1) from set_config('idle_in_transaction_session_timeout', $2, true)";
        let acting = sqlx::query_scalar::<_, bool>(acting).bind(LOCK).bind(FROZEN).fetch_one(&mut *transaction).await?;
        if !acting {
            return Ok(Vec::new());
        }
        let due = requests::take_due(&mut *transaction, limits, BATCH).await?;
        transaction.commit().await?;
        Ok::<_, sqlx::Error>(due)
    }
    .await
    .map_err(|e| e.to_string())?;
    if due.is_empty() {
        return Ok(());
    }
    tracing::info!(requests = due.len(), "handing over again");
    jobs.enqueue(&due).await.map_err(|e| e.to_string())
}
