//! Graceful shutdown: a shutdown token per part of the process, tracked tasks, and the signals SIGTERM and SIGINT.

use std::{future::Future, time::Duration};

use tokio::{signal::unix::SignalKind, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The tasks of one part of the process. All share its shutdown token, and [`Tasks::finish`] waits for them.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    shutdown: CancellationToken,
    tracker: TaskTracker,
}

impl Tasks {
    pub fn new(shutdown: CancellationToken) -> Self {
        Self { shutdown, tracker: TaskTracker::new() }
    }

    pub fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }

    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.tracker.spawn(task)
    }

    /// Spawns a task that is dropped at the shutdown, at whichever await it is then. For tasks without an end of their
    /// own, and with nothing to clean up.
    pub fn spawn_until_shutdown<F>(&self, task: F) -> JoinHandle<()>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let shutdown = self.shutdown.clone();
        self.spawn(async move { _ = shutdown.run_until_cancelled(task).await })
    }

    /// Cancels the shutdown token and waits for the tasks; whether all ended within the time.
    pub async fn finish(&self, within: Duration) -> bool {
        self.shutdown.cancel();
        self.tracker.close();
        tokio::time::timeout(within, self.tracker.wait()).await.is_ok()
    }
}

/// A token that is cancelled by SIGTERM or Ctrl-C. A second signal ends the process at once.
pub fn shutdown_on_signal() -> std::io::Result<CancellationToken> {
    let mut terminate = tokio::signal::unix::signal(SignalKind::terminate())?;
    let mut interrupt = tokio::signal::unix::signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    #[expect(clippy::disallowed_methods, reason = "it must outlive every tracked task: it cancels them")]
    tokio::spawn(async move {
        for first in [true, false] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if first {
                tracing::info!("stopping");
                cancelled.cancel();
            }
        }
        tracing::warn!("second signal: ending at once");
        std::process::exit(130);
    });
    Ok(token)
}

/// Installs the process's TLS implementation. Call it first in `main`; calling it again does nothing.
pub fn install_tls() {
    _ = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_without_an_end_is_dropped_at_the_shutdown() {
        let tasks = Tasks::default();
        tasks.spawn_until_shutdown(std::future::pending::<()>());
        assert!(tasks.finish(Duration::from_secs(5)).await);
    }
}
