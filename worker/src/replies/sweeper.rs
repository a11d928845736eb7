//! The sweeper: dispatches again what should be in the queue and may not be.
//!
//! Due retries, requests whose push was lost, running ones whose lease has expired, and everything queued when Redis
//! has lost its data. It runs in every worker; an advisory lock elects one of them for each sweep.

use std::sync::Arc;

use futures::future::FutureExt;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use troupe_core::{config::Config, jobs::Dispatch, ports::JobQueue};
use troupe_db::{
    replies::{accept::Limits, requests},
    with_response_timeout,
};

use crate::metrics::REPLIES;

/// The advisory lock of the sweeper that was elected.
const SWEEP_LOCK: i64 = 0x0074_726f_7570_6501;
const MAX_SWEPT: i64 = 500;
/// The lock of a sweeper that freezes is released after this: PostgreSQL ends its transaction, and others go on.
const IDLE_TRANSACTION_TIMEOUT: &str = "3s";

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
    let due = with_response_timeout(sweep_due(pool, limits)).await.map_err(|e| e.to_string())?;
    if due.is_empty() {
        return Ok(());
    }
    tracing::info!(requests = due.len(), "dispatching again");
    REPLIES.redispatched.inc_by(due.len() as u64);
    jobs.enqueue(&due).await.map_err(|e| e.to_string())
}

/// Nothing, where another worker holds the lock.
async fn sweep_due(pool: &PgPool, limits: Limits) -> sqlx::Result<Vec<Dispatch>> {
    let mut transaction = pool.begin().await?;
    let lock = "select pg_try_advisory_xact_lock($1) from set_config('idle_in_transaction_session_timeout', $2, true)";
    let elected = sqlx::query_scalar::<_, bool>(lock).bind(SWEEP_LOCK).bind(IDLE_TRANSACTION_TIMEOUT);
    if !elected.fetch_one(&mut *transaction).await? {
        return Ok(Vec::new());
    }
    let due = requests::sweep_due(&mut *transaction, limits, MAX_SWEPT).await?;
    transaction.commit().await?;
    Ok(due)
}
