//! Leases: a running attempt stays this worker's only while it is renewed. One statement renews them all.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::future::FutureExt;
use sqlx::PgPool;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use troupe_core::ids::RequestId;
use troupe_db::replies::finish;

type Held = HashMap<RequestId, (i32, CancellationToken)>;

/// The attempts that run in this process.
#[derive(Clone)]
pub(crate) struct Leases {
    held: Arc<Mutex<Held>>,
    pub(crate) duration: Duration,
}

impl Leases {
    pub(crate) fn new(duration: Duration) -> Self {
        Self { held: Arc::default(), duration }
    }

    /// Has the attempt's lease renewed until it is dropped; the token is cancelled when the lease turns out to be lost.
    pub(crate) async fn hold(&self, request: RequestId, attempt: i32) -> CancellationToken {
        let lost = CancellationToken::new();
        self.held.lock().await.insert(request, (attempt, lost.clone()));
        lost
    }

    pub(crate) async fn release(&self, request: RequestId, attempt: i32) {
        let mut held = self.held.lock().await;
        if held.get(&request).is_some_and(|(number, _)| *number == attempt) {
            held.remove(&request);
        }
    }

    async fn renew(&self, pool: &PgPool) {
        let running: Vec<_> = self.held.lock().await.iter().map(|(id, (attempt, _))| (*id, *attempt)).collect();
        if running.is_empty() {
            return;
        }
        let renewed = match finish::renew(pool, &running, self.duration).await {
            Ok(renewed) => renewed,
            // The attempts go on: whether they still hold is decided by the fence when they end.
            Err(error) => return tracing::warn!(%error, running = running.len(), "could not renew the leases"),
        };
        let held = self.held.lock().await;
        for (request_id, attempt) in running.into_iter().filter(|(id, _)| !renewed.contains(id)) {
            if let Some((number, lost)) = held.get(&request_id)
                && *number == attempt
            {
                // Or it has ended since it was asked for: then nobody listens.
                tracing::debug!(%request_id, attempt, "the lease is lost");
                lost.cancel();
            }
        }
    }
}

/// Renews every third of a lease.
pub(crate) async fn renew_while_held(leases: Leases, pool: PgPool, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(leases.duration / 3);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(ticks.tick().map(drop)).await.is_some() {
        leases.renew(&pool).await;
    }
}
