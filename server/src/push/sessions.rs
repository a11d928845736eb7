//! The open sessions of this process: counted, asked to end, waited for.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

#[derive(Debug, Clone, Default)]
pub(crate) struct Sessions {
    closing: CancellationToken,
    open: TaskTracker,
}

impl Sessions {
    /// Cancelled when every session must end.
    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    /// Counts the session while it runs.
    pub(crate) async fn run(&self, session: impl Future<Output = ()>) {
        self.open.track_future(session).await;
    }

    /// Asks every session to end and waits for that.
    pub(crate) async fn close_all(&self, within: Duration) {
        self.closing.cancel();
        self.open.close();
        if timeout(within, self.open.wait()).await.is_err() {
            tracing::warn!(sessions = self.open.len(), "sockets were cut off");
        }
    }
}
