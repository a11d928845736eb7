//! The circuit breaker of one outside service, for the decorators of its port, here and in the worker.
//!
//! Each call needs a [`Permit`], through which its result is recorded. A permit that is dropped without a result counts
//! as a failure: the caller's time limit came before the answer, so a service that hangs opens the breaker too.

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    circuit_breaker::{Admission, BreakerFailure, BreakerSettings, CircuitBreaker, KeyAction},
    clock::Clock,
    metrics::{EncodeLabelSet, Histograms, ObserveTime, milliseconds},
    model::providers::{Outcome, Rest},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ServiceLabels {
    pub service: &'static str,
    pub outcome: &'static str,
}

crate::metrics! {
    pub static METRICS: ServiceMetrics {
        /// Calls of the embedder, the vector store and the mail server, by outcome.
        calls: Histograms<ServiceLabels> = "troupe_service_call_seconds", Histograms::new_with_constructor(milliseconds);
    }
}

pub struct ServiceBreaker {
    /// For logs.
    service: &'static str,
    breaker: CircuitBreaker,
    clock: Arc<dyn Clock>,
}

/// The breaker is open, or another call is its probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerOpen {
    pub retry_after: Duration,
}

impl fmt::Display for BreakerOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pause = Duration::from_millis(self.retry_after.as_millis() as u64);
        write!(f, "its circuit breaker is open, the next call is in {}", humantime::format_duration(pause))
    }
}

impl ServiceBreaker {
    pub fn new(service: &'static str, settings: BreakerSettings, clock: Arc<dyn Clock>) -> Self {
        Self { service, breaker: CircuitBreaker::new(service, settings), clock }
    }

    pub fn admit(&self) -> Result<Permit<'_>, BreakerOpen> {
        let now = self.clock.now();
        let probe = match self.breaker.admit(now) {
            Admission::Allowed => false,
            Admission::Probe => true,
            Admission::Denied { until } => {
                return Err(BreakerOpen { retry_after: (until - now).to_std().unwrap_or_default() });
            }
        };
        Ok(Permit { owner: self, probe, recorded: false, began: Instant::now() })
    }

    /// How long no call is admitted, where it is open. Asks for no call itself.
    pub fn open_for(&self) -> Option<Duration> {
        let until = self.breaker.rest()?.until;
        (until - self.clock.now()).to_std().ok().filter(|left| !left.is_zero())
    }

    fn record_success(&self, probe: bool) {
        if self.breaker.record_success(probe, self.clock.now()) {
            tracing::info!(service = self.service, "circuit breaker closed");
        }
    }

    fn record_failure(&self, outcome: Outcome, retry_after: Option<Duration>, probe: bool) {
        let failure = BreakerFailure { outcome, counts: true, key: KeyAction::Keep, retry_after };
        let opened = self.breaker.record_failure(&failure, probe, self.clock.now());
        if opened && let Some(Rest { until, why, .. }) = self.breaker.rest() {
            tracing::warn!(service = self.service, %until, ?why, "circuit breaker opened");
        }
    }
}

/// One admitted call.
pub struct Permit<'a> {
    owner: &'a ServiceBreaker,
    probe: bool,
    recorded: bool,
    began: Instant,
}

impl Permit<'_> {
    fn count(&self, outcome: &'static str) {
        let label = ServiceLabels { service: self.owner.service, outcome };
        METRICS.calls.get_or_create(&label).observe_time(self.began.elapsed());
    }

    /// The service answered.
    pub fn succeed(mut self) {
        self.recorded = true;
        self.count("answered");
        self.owner.record_success(self.probe);
    }

    /// The service failed; `retry_after` is the pause that it requests.
    pub fn fail(mut self, retry_after: Option<Duration>) {
        self.recorded = true;
        self.count("failed");
        self.owner.record_failure(Outcome::Failed, retry_after, self.probe);
    }

    /// The service may not have been called: no result.
    pub fn release(mut self) {
        self.recorded = true;
        self.owner.breaker.release(self.probe);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.recorded {
            self.count("silent");
            self.owner.record_failure(Outcome::Silent, None, self.probe);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use parking_lot::Mutex;

    use super::*;

    /// A clock that moves only when its test moves it.
    pub(in crate::adapters) struct SetClock(Mutex<DateTime<Utc>>);

    impl SetClock {
        pub(in crate::adapters) fn new() -> Arc<Self> {
            Arc::new(Self(Mutex::new(DateTime::UNIX_EPOCH)))
        }

        pub(in crate::adapters) fn advance(&self, seconds: i64) {
            *self.0.lock() += TimeDelta::seconds(seconds);
        }
    }

    impl Clock for SetClock {
        fn now(&self) -> DateTime<Utc> {
            *self.0.lock()
        }
    }

    #[test]
    fn an_open_breaker_says_when_the_next_call_is() {
        let open = BreakerOpen { retry_after: Duration::from_micros(4_200_300) };
        assert_eq!(open.to_string(), "its circuit breaker is open, the next call is in 4s 200ms");
    }
}
