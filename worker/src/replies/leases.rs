//! Leases: the heartbeat of running attempts. One statement renews them all; an attempt whose lease is lost stops at
//! once.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::future::FutureExt;
use sqlx::PgPool;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use troupe_core::ids::RequestId;
use troupe_db::{replies::finish, with_response_timeout};

use crate::metrics::REPLIES;

const HEARTBEATS_PER_LEASE: u32 = 3;

struct Held {
    attempt: i32,
    lost: CancellationToken,
}

/// The attempts that run in this process.
#[derive(Clone)]
pub(crate) struct Leases {
    held: Arc<Mutex<HashMap<RequestId, Held>>>,
    pub(crate) duration: Duration,
}

impl Leases {
    pub(crate) fn new(duration: Duration) -> Self {
        Self { held: Arc::default(), duration }
    }

    /// Renews the attempt's lease until it is released; the token is cancelled when the lease is lost.
    pub(crate) async fn hold(&self, request: RequestId, attempt: i32) -> CancellationToken {
        let lost = CancellationToken::new();
        self.held.lock().await.insert(request, Held { attempt, lost: lost.clone() });
        lost
    }

    pub(crate) async fn release(&self, request: RequestId, attempt: i32) {
        let mut held = self.held.lock().await;
        if held.get(&request).is_some_and(|held| held.attempt == attempt) {
            held.remove(&request);
        }
    }

    async fn renew(&self, pool: &PgPool) {
        let running: Vec<_> = self.held.lock().await.iter().map(|(id, held)| (*id, held.attempt)).collect();
        if running.is_empty() {
            return;
        }
        let renewed = match with_response_timeout(finish::renew(pool, &running, self.duration)).await {
            Ok(renewed) => renewed,
            // The attempts go on: whether they still hold is decided by the fencing token when they end.
            Err(error) => return tracing::warn!(%error, running = running.len(), "could not renew the leases"),
        };
        let held = self.held.lock().await;
        for (request_id, attempt) in running.into_iter().filter(|(id, _)| !renewed.contains(id)) {
            if let Some(held) = held.get(&request_id)
                && held.attempt == attempt
            {
                // Or it has ended during the statement: then the token has no listener.
                tracing::debug!(%request_id, attempt, "the lease is lost");
                REPLIES.leases_lost.inc();
                held.lost.cancel();
            }
        }
    }
}

pub(crate) async fn renew_until(leases: Leases, pool: PgPool, shutdown: CancellationToken) {
    let mut heartbeats = tokio::time::interval(leases.duration / HEARTBEATS_PER_LEASE);
    heartbeats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(heartbeats.tick().map(drop)).await.is_some() {
        leases.renew(&pool).await;
    }
}
