//! A shared limiter with a local fallback.
//!
//! The local one mirrors the shared one's counts. So it is up to date when the shared one fails, and it refuses floods
//! without a round trip: what the shared limiter has refused, it would refuse again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;

use super::LocalLimiter;
use crate::{
    metrics::Counter,
    ports::{Limit, Limiter, PortError, Verdict},
};

/// After a failure of the shared limiter, one call retries it at this interval.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

crate::metrics! {
    pub static METRICS: LimiterMetrics {
        /// Calls of the shared limiter that failed: this process counts alone then.
        fallbacks: Counter = "troupe_rate_limit_fallbacks";
    }
}

pub struct FallbackLimiter {
    shared: Arc<dyn Limiter>,
    local: LocalLimiter,
    started: Instant,
    /// When the shared one is retried, in milliseconds since `started`; 0 while it works.
    away_until: AtomicU64,
}

impl FallbackLimiter {
    pub fn new(shared: Arc<dyn Limiter>) -> Self {
        Self { shared, local: LocalLimiter::default(), started: Instant::now(), away_until: AtomicU64::new(0) }
    }

    fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    fn next_retry(&self) -> u64 {
        self.now() + RETRY_INTERVAL.as_millis() as u64
    }

    /// Whether this call may use the shared limiter: while that is away, one call per interval.
    fn may_call(&self) -> bool {
        let until = self.away_until.load(Ordering::Relaxed);
        let mine =
            || self.away_until.compare_exchange(until, self.next_retry(), Ordering::Relaxed, Ordering::Relaxed).is_ok();
        until == 0 || (until <= self.now() && mine())
    }

    fn on_success(&self) {
        if self.away_until.load(Ordering::Relaxed) != 0 && self.away_until.swap(0, Ordering::Relaxed) != 0 {
            tracing::info!("limits are counted together with other servers again");
        }
    }

    fn on_failure(&self, error: &PortError) {
        METRICS.fallbacks.inc();
        if self.away_until.swap(self.next_retry(), Ordering::Relaxed) == 0 {
            tracing::warn!(%error, "limits are counted by this server alone for now");
        }
    }
}

#[async_trait]
impl Limiter for FallbackLimiter {
    async fn admit(&self, group: &str, limits: &[Limit]) -> Result<Verdict, PortError> {
        if let Some(refusal) = self.local.refusal(group, limits) {
            return Ok(refusal);
        }
        if self.may_call() {
            match self.shared.admit(group, limits).await {
                Ok(verdict) => {
                    self.on_success();
                    self.local.merge(group, limits, &verdict.owed);
                    return Ok(verdict);
                }
                Err(error) => self.on_failure(&error),
            }
        }
        self.local.admit(group, limits).await
    }
}
