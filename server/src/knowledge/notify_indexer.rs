//! Wakes the workers' indexer. A lost wake-up costs a moment: they poll as well.

use std::time::Duration;

use troupe_core::ports::JobQueue;

const WAKE_UP_TIMEOUT: Duration = Duration::from_millis(500);

pub(crate) async fn notify_indexer(jobs: &dyn JobQueue) {
    match tokio::time::timeout(WAKE_UP_TIMEOUT, jobs.announce_index_work()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the indexer was not woken; it polls"),
        Err(_) => tracing::warn!("the indexer was not woken in time; it polls"),
    }
}
