//! Tells the workers that there is something to index. Without it they find it a moment later by themselves.

use std::time::Duration;

use crate::state::AppState;

/// No call waits longer for it.
const PATIENCE: Duration = Duration::from_millis(500);

pub(crate) async fn index_soon(state: &AppState) {
    match tokio::time::timeout(PATIENCE, state.jobs.announce_index_work()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "workers will find a change by themselves"),
        Err(_) => tracing::warn!("Redis takes its time; workers will find a change by themselves"),
    }
}
