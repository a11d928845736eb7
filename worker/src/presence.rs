//! The heartbeat: registers this worker for admins, and receives its wanted state. A dead worker's heartbeat stops.

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use troupe_core::model::admin::WorkerState;
use troupe_db::{
    operations::workers::{self, Orders, Report},
    with_response_timeout,
};

use crate::{queue::Slots, work::Ticker};

pub(crate) struct Presence {
    pub(crate) pool: PgPool,
    pub(crate) name: String,
    pub(crate) slots: usize,
    /// The registered kinds of jobs.
    pub(crate) kinds: Vec<String>,
    /// Without a heartbeat for this time, the worker counts as gone.
    pub(crate) lease: Duration,
    /// Notified when the wanted state of a worker has changed.
    pub(crate) wake: Arc<Notify>,
    pub(crate) orders: watch::Sender<Orders>,
}

impl Presence {
    /// Sends a heartbeat every third of a lease, and when woken, until the shutdown; then deregisters.
    pub(crate) async fn report_while_alive(self, shutdown: CancellationToken) {
        let version = env!("CARGO_PKG_VERSION");
        let mut ticker = Ticker::new(self.lease / 3, shutdown).woken_by(self.wake);
        while ticker.tick().await {
            let (name, kinds) = (self.name.as_str(), self.kinds.as_slice());
            let report = Report { name, version, slots: self.slots, kinds, alive_for: self.lease };
            match with_response_timeout(workers::report(&self.pool, &report)).await {
                Ok(orders) => {
                    self.orders.send_if_modified(|known| std::mem::replace(known, orders) != orders);
                }
                Err(error) => tracing::warn!(%error, "could not say that this worker is there"),
            }
        }
        if let Err(error) = with_response_timeout(workers::remove(&self.pool, &self.name)).await {
            tracing::debug!(%error, "went without taking leave");
        }
    }
}

/// Applies the wanted state to replies, until the shutdown, which draining causes.
pub(crate) async fn follow(mut orders: watch::Receiver<Orders>, slots: Arc<Slots>, shutdown: CancellationToken) {
    let follow = async {
        while orders.changed().await.is_ok() {
            let Orders { state, slots: all } = *orders.borrow_and_update();
            tracing::info!(?state, slots = all, "an admin wants this worker otherwise");
            slots.resize(all.unsigned_abs() as usize, state != WorkerState::Active);
            if state == WorkerState::Draining {
                shutdown.cancel();
            }
        }
    };
    shutdown.run_until_cancelled(follow).await;
}
