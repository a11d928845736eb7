//! Wake-ups: PostgreSQL notifies about new jobs and changed workers, at commit. Polling makes up for lost
//! notifications.

use std::{sync::Arc, time::Duration};

use sqlx::{Executor, PgPool, postgres::PgListener};
use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;
use troupe_db::{jobs, operations::workers, with_response_timeout};

const RECONNECT_PAUSE: Duration = Duration::from_secs(1);
/// A connection that hears nothing for so long may be dead: it sends nothing itself, so nothing would tell.
const TEST_INTERVAL: Duration = Duration::from_secs(30);

/// One notifier per channel.
#[derive(Debug, Clone, Default)]
pub(crate) struct WakeUps {
    pub(crate) jobs: Arc<Notify>,
    pub(crate) workers: Arc<Notify>,
}

impl WakeUps {
    /// Listens until the shutdown, on a separate connection.
    pub(crate) async fn listen(self, pool: PgPool, shutdown: CancellationToken) {
        let listen = async {
            loop {
                if let Err(error) = self.forward(&pool).await {
                    tracing::warn!(%error, "new jobs are not announced; looking for them in between");
                }
                tokio::time::sleep(RECONNECT_PAUSE).await;
            }
        };
        shutdown.run_until_cancelled(listen).await;
    }

    async fn forward(&self, pool: &PgPool) -> sqlx::Result<()> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen_all([jobs::CHANNEL, workers::CHANNEL]).await?;
        loop {
            let Ok(received) = timeout(TEST_INTERVAL, listener.try_recv()).await else {
                with_response_timeout(listener.execute("select 1")).await?;
                continue;
            };
            match received? {
                Some(announced) if announced.channel() == workers::CHANNEL => self.workers.notify_one(),
                Some(_) => self.jobs.notify_one(),
                // After a reconnect: notifications may have been missed.
                None => {
                    self.workers.notify_one();
                    self.jobs.notify_one();
                }
            }
        }
    }
}
