//! A limiter that all servers share, and this process's own where it is away.
//!
//! Its own follows what the shared one says. So it knows how things stand when it has to stand in, and it refuses a
//! flood without asking: what the shared limiter has refused, it would refuse again.

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
use crate::ports::{Limit, Limiter, PortError, Verdict};

/// A shared limiter that has failed is asked again after so long, by one call.
const PAUSE: Duration = Duration::from_secs(1);

pub struct FallbackLimiter {
    shared: Arc<dyn Limiter>,
    local: LocalLimiter,
    began: Instant,
    /// When the shared one is asked again, in milliseconds since the beginning; 0 while it answers.
    away_until: AtomicU64,
}

impl FallbackLimiter {
    pub fn new(shared: Arc<dyn Limiter>) -> Self {
        Self { shared, local: LocalLimiter::default(), began: Instant::now(), away_until: AtomicU64::new(0) }
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    fn soon(&self) -> u64 {
        self.now() + PAUSE.as_millis() as u64
    }

    /// Whether this call may ask the shared limiter: while that is away, one in a pause does.
    fn may_ask(&self) -> bool {
        let until = self.away_until.load(Ordering::Relaxed);
        let mine =
            || self.away_until.compare_exchange(until, self.soon(), Ordering::Relaxed, Ordering::Relaxed).is_ok();
        until == 0 || (until <= self.now() && mine())
    }

    fn answered(&self) {
        if self.away_until.load(Ordering::Relaxed) != 0 && self.away_until.swap(0, Ordering::Relaxed) != 0 {
            tracing::info!("limits are counted together with other servers again");
        }
    }

    fn failed(&self, error: &PortError) {
        if self.away_until.swap(self.soon(), Ordering::Relaxed) == 0 {
            tracing::warn!(%error, "limits are counted by this server alone for now");
        }
    }
}

#[async_trait]
impl Limiter for FallbackLimiter {
    async fn admit(&self, together: &str, limits: &[Limit]) -> Result<Verdict, PortError> {
        if let Some(refusal) = self.local.refusal(together, limits) {
            return Ok(refusal);
        }
        if self.may_ask() {
            match self.shared.admit(together, limits).await {
                Ok(verdict) => {
                    self.answered();
                    self.local.learn(together, limits, &verdict.owed);
                    return Ok(verdict);
                }
                Err(error) => self.failed(&error),
            }
        }
        self.local.admit(together, limits).await
    }
}
