//! The wake-up: PostgreSQL announces new jobs when they are committed. What goes unheard is found by the slow tick.

use std::{sync::Arc, time::Duration};

use sqlx::{PgPool, postgres::PgListener};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use troupe_db::jobs::CHANNEL;

const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// Notifies of each announcement until the shutdown, on a connection of its own.
pub(super) async fn listen(pool: PgPool, wake: Arc<Notify>, shutdown: CancellationToken) {
    let listen = async {
        loop {
            if let Err(error) = forward(&pool, &wake).await {
                tracing::warn!(%error, "new jobs are not announced; looking for them in between");
            }
            tokio::time::sleep(RECONNECT_PAUSE).await;
        }
    };
    shutdown.run_until_cancelled(listen).await;
}

async fn forward(pool: &PgPool, wake: &Notify) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // Also when the connection was lost, and may have missed something.
        listener.try_recv().await?;
        wake.notify_one();
    }
}
