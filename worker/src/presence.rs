//! Says that this worker is there, so that admins see who works; one that dies without a word falls silent.

use std::time::Duration;

use futures::future::FutureExt;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use troupe_db::operations::workers;

pub(crate) struct Presence {
    pub(crate) pool: PgPool,
    pub(crate) name: String,
    pub(crate) slots: usize,
    /// Silent for so long, it is taken for gone.
    pub(crate) lease: Duration,
}

impl Presence {
    /// Reports every third of a lease, until the shutdown; then takes leave.
    pub(crate) async fn report_while_alive(self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(self.lease / 3);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick().map(drop)).await.is_some() {
            let version = env!("CARGO_PKG_VERSION");
            if let Err(error) = workers::report(&self.pool, &self.name, version, self.slots, self.lease).await {
                tracing::warn!(%error, "could not say that this worker is there");
            }
        }
        if let Err(error) = workers::remove(&self.pool, &self.name).await {
            tracing::debug!(%error, "went without taking leave");
        }
    }
}
