//! A circuit breaker: whether a service may be called now.
//!
//! Enough failures open it for a pause (a *rest*). After that it is half-open: one call is admitted as a probe, and
//! closes it, or opens it again for twice as long. A key that its provider rejects or rate-limits rests in the same
//! way. Pure: time is passed in. Workers have one for each key of a provider, which they share through their health
//! board; the embedder, the vector store and the mail server have one in each process (`adapters/service_breaker.rs`).

pub mod metrics;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;

use metrics::OpenUntil;

use crate::{
    config,
    metrics::OutcomeLabel,
    model::providers::{Outcome, Rest},
};

/// The sliding window, in calls.
const WINDOW_CALLS: u32 = 20;
/// How long a probe blocks others, and how soon a call that was denied because of one may look again.
const PROBE_TIMEOUT: TimeDelta = TimeDelta::seconds(30);
const PROBE_POLL_INTERVAL: TimeDelta = TimeDelta::seconds(1);
const MAX_DOUBLINGS: u32 = 16;

/// What happens to a key after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyAction {
    Keep,
    /// It rests for as long as the service asks for, up to `models.rate_limit_cap`.
    Pause,
    /// It rests for `models.key_out`.
    Disable,
    /// The same, logged as an error: an operator must look at it.
    DisableAndAlert,
}

/// The properties of a failed call.
#[derive(Debug, Clone, Copy)]
pub struct BreakerFailure {
    pub outcome: Outcome,
    /// Whether it counts towards the threshold.
    pub counts: bool,
    pub key: KeyAction,
    /// When the service wants to be called again.
    pub retry_after: Option<Duration>,
}

/// Thresholds and pauses.
#[derive(Debug, Clone, Copy)]
pub struct BreakerSettings {
    failure_threshold: u32,
    first_pause: TimeDelta,
    max_pause: TimeDelta,
    max_rate_limit_pause: TimeDelta,
    disabled_pause: TimeDelta,
}

impl From<&config::Models> for BreakerSettings {
    fn from(config: &config::Models) -> Self {
        Self {
            max_rate_limit_pause: delta(config.rate_limit_cap),
            disabled_pause: delta(config.key_out),
            ..Self::of_service(config.breaker_failures, config.breaker_pause, config.breaker_cap)
        }
    }
}

impl From<&config::Embeddings> for BreakerSettings {
    fn from(config: &config::Embeddings) -> Self {
        Self::of_service(config.breaker_failures, config.breaker_pause, config.breaker_cap)
    }
}

impl From<&config::Qdrant> for BreakerSettings {
    fn from(config: &config::Qdrant) -> Self {
        Self::of_service(config.breaker_failures, config.breaker_pause, config.breaker_cap)
    }
}

impl From<&config::Mail> for BreakerSettings {
    fn from(config: &config::Mail) -> Self {
        Self::of_service(config.breaker_failures, config.breaker_pause, config.breaker_cap)
    }
}

impl BreakerSettings {
    /// No pause is longer than the cap, whatever its reason.
    fn of_service(failures: u32, first_pause: Duration, cap: Duration) -> Self {
        Self {
            failure_threshold: failures.min(WINDOW_CALLS),
            first_pause: delta(first_pause),
            max_pause: delta(cap),
            max_rate_limit_pause: delta(cap),
            disabled_pause: delta(cap),
        }
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

/// Whether a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Closed.
    Allowed,
    /// Half-open: the result of this call closes or opens it.
    Probe,
    /// Open, or another call is the probe.
    Denied { until: DateTime<Utc> },
}

#[derive(Debug, Default)]
struct State {
    /// The last calls, the newest in the lowest bit; set where it failed.
    failed: u32,
    calls: u32,
    rest: Option<Rest>,
    /// When `rest` changed last: of two workers' states the newer one holds.
    changed: Option<DateTime<Utc>>,
    /// A probe is in flight here, and blocks others until then.
    probe: Option<DateTime<Utc>>,
}

/// The state of one; its methods may be called from any thread.
#[derive(Debug)]
pub struct CircuitBreaker {
    settings: BreakerSettings,
    state: Mutex<State>,
    /// Until when it is open, for the metrics.
    open_until: Arc<OpenUntil>,
}

impl CircuitBreaker {
    /// `name`: that of the service or key, in metrics.
    pub fn new(name: &str, settings: BreakerSettings) -> Self {
        Self { settings, state: Mutex::default(), open_until: metrics::watch(name) }
    }

    fn show(&self, state: &State) {
        self.open_until.set(state.rest.as_ref().map(|rest| rest.until));
    }

    /// The current rest, if the breaker is open or half-open.
    pub fn rest(&self) -> Option<Rest> {
        self.state.lock().rest.clone()
    }

    /// Requests one call. An admitted call must be reported: as a success, a failure, or released.
    pub fn admit(&self, now: DateTime<Utc>) -> Admission {
        let mut state = self.state.lock();
        let Some(rest) = &state.rest else { return Admission::Allowed };
        if rest.until > now {
            return Admission::Denied { until: rest.until };
        }
        if let Some(until) = state.probe
            && until > now
        {
            return Admission::Denied { until: now + PROBE_POLL_INTERVAL };
        }
        if rest.why == Outcome::RateLimited {
            // The provider itself has given the time: no probe is needed.
            state.rest = None;
            self.show(&state);
            return Admission::Allowed;
        }
        state.probe = Some(now + PROBE_TIMEOUT);
        Admission::Probe
    }

    /// Records a successful call; whether it closed the breaker. Only a probe does: a call that started before the rest
    /// proves nothing about its reason.
    pub fn record_success(&self, probe: bool, now: DateTime<Utc>) -> bool {
        let mut state = self.state.lock();
        state.record(false);
        if probe {
            *state = State { changed: Some(now), ..State::default() };
            self.show(&state);
        }
        probe
    }

    /// Releases an admission without a result.
    pub fn release(&self, probe: bool) {
        if probe {
            self.state.lock().probe = None;
        }
    }

    /// Records a healthy check: the breaker is half-open at once. Returns whether that was a change.
    pub fn record_healthy_check(&self, now: DateTime<Utc>) -> bool {
        let mut state = self.state.lock();
        match &mut state.rest {
            Some(rest) if rest.until > now && !matches!(rest.why, Outcome::RateLimited | Outcome::OutOfMoney) => {
                rest.until = now;
                state.changed = Some(now);
                self.show(&state);
                true
            }
            _ => false,
        }
    }

    /// Records a failure; whether it opened the breaker.
    pub fn record_failure(&self, failure: &BreakerFailure, probe: bool, now: DateTime<Utc>) -> bool {
        let mut state = self.state.lock();
        if probe {
            state.probe = None;
        }
        if failure.counts {
            state.record(true);
        }
        let pauses = state.rest.as_ref().map_or(0, |rest| rest.pauses);
        let requested = failure.retry_after.and_then(|after| TimeDelta::from_std(after).ok());
        let pause = match failure.key {
            KeyAction::Pause => Some(requested.unwrap_or(self.backoff(pauses)).min(self.settings.max_rate_limit_pause)),
            KeyAction::Disable | KeyAction::DisableAndAlert => Some(self.settings.disabled_pause),
            KeyAction::Keep if probe && failure.counts => Some(self.backoff(pauses)),
            // An overloaded service may send a `retry-after`.
            KeyAction::Keep if failure.counts && state.is_over(self.settings.failure_threshold) => {
                let requested = requested.unwrap_or_default().min(self.settings.max_rate_limit_pause);
                Some(self.backoff(pauses).max(requested))
            }
            KeyAction::Keep => None,
        };
        let Some(pause) = pause else { return false };
        let until = now.checked_add_signed(pause).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let is_known = |rest: &Rest| rest.until >= until || rest.until > now && failure.counts;
        // Calls that started before the rest are no new information.
        if !probe && state.rest.as_ref().is_some_and(is_known) {
            return false;
        }
        state.rest = Some(Rest { until, why: failure.outcome, since: now, pauses: pauses.saturating_add(1) });
        state.changed = Some(now);
        self.show(&state);
        metrics::METRICS.opened.get_or_create(&OutcomeLabel { outcome: failure.outcome.name() }).inc();
        true
    }

    /// Takes over another worker's state, if it is newer; returns whether it was.
    pub fn merge(&self, rest: Option<Rest>, changed: DateTime<Utc>) -> bool {
        let mut state = self.state.lock();
        let newer = state.changed.is_none_or(|known| known < changed);
        if newer {
            *state = State { rest, changed: Some(changed), ..State::default() };
            self.show(&state);
        }
        newer
    }

    /// Doubled with each consecutive pause, up to the cap.
    fn backoff(&self, pauses: u32) -> TimeDelta {
        let BreakerSettings { first_pause, max_pause, .. } = self.settings;
        first_pause.checked_mul(1 << pauses.min(MAX_DOUBLINGS)).unwrap_or(max_pause).min(max_pause)
    }
}

impl State {
    fn record(&mut self, failed: bool) {
        self.failed = self.failed << 1 | u32::from(failed);
        self.calls = (self.calls + 1).min(WINDOW_CALLS);
    }

    /// Enough failures in the window, and at least half of its calls.
    fn is_over(&self, threshold: u32) -> bool {
        let failures = (self.failed & ((1 << WINDOW_CALLS) - 1)).count_ones();
        failures >= threshold && failures * 2 >= self.calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: BreakerSettings = BreakerSettings {
        failure_threshold: 5,
        first_pause: TimeDelta::seconds(5),
        max_pause: TimeDelta::seconds(60),
        max_rate_limit_pause: TimeDelta::seconds(30),
        disabled_pause: TimeDelta::hours(1),
    };

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn failure(outcome: Outcome) -> BreakerFailure {
        let (key, counts) = match outcome {
            Outcome::RateLimited => (KeyAction::Pause, false),
            Outcome::OutOfMoney => (KeyAction::Disable, false),
            Outcome::KeyRefused => (KeyAction::DisableAndAlert, false),
            _ => (KeyAction::Keep, true),
        };
        BreakerFailure { outcome, counts, key, retry_after: None }
    }

    #[test]
    fn failures_in_a_row_open_it_and_one_probe_closes_it_again() {
        let breaker = CircuitBreaker::new("tested", SETTINGS);
        for n in 0..4 {
            assert!(!breaker.record_failure(&failure(Outcome::Failed), false, at(n)));
        }
        assert!(breaker.record_failure(&failure(Outcome::Failed), false, at(4)));
        assert!(!breaker.record_failure(&failure(Outcome::Failed), false, at(4)), "it was under way already");
        assert_eq!(breaker.admit(at(8)), Admission::Denied { until: at(9) });
        assert_eq!(breaker.admit(at(9)), Admission::Probe);
        assert_eq!(breaker.admit(at(9)), Admission::Denied { until: at(10) }, "one at a time");
        assert!(breaker.record_failure(&failure(Outcome::Cut), true, at(10)));
        assert_eq!(breaker.admit(at(19)), Admission::Denied { until: at(20) }, "twice as long");
        assert_eq!(breaker.admit(at(20)), Admission::Probe);
        assert!(breaker.record_success(true, at(21)));
        assert_eq!(breaker.admit(at(21)), Admission::Allowed);
        assert!(!breaker.record_failure(&failure(Outcome::Failed), false, at(22)), "what was before is forgotten");
    }

    #[test]
    fn failures_among_as_many_successes_do_not() {
        let breaker = CircuitBreaker::new("tested", SETTINGS);
        for n in 0..200 {
            breaker.record_success(false, at(n));
            breaker.record_success(false, at(n));
            assert!(!breaker.record_failure(&failure(Outcome::Failed), false, at(n)));
        }
    }

    #[test]
    fn a_key_rests_as_long_as_it_is_told_within_reason() {
        let breaker = CircuitBreaker::new("tested", SETTINGS);
        let limited = |seconds| BreakerFailure {
            retry_after: Some(Duration::from_secs(seconds)),
            ..failure(Outcome::RateLimited)
        };
        assert!(breaker.record_failure(&limited(7), false, at(0)));
        assert_eq!(breaker.admit(at(6)), Admission::Denied { until: at(7) });
        assert_eq!(breaker.admit(at(7)), Admission::Allowed);
        assert!(breaker.record_failure(&limited(7_000), false, at(8)));
        assert_eq!(breaker.admit(at(9)), Admission::Denied { until: at(38) });
        let breaker = CircuitBreaker::new("tested", SETTINGS);
        assert!(breaker.record_failure(&failure(Outcome::OutOfMoney), false, at(0)));
        assert_eq!(breaker.admit(at(3_599)), Admission::Denied { until: at(3_600) });
        assert_eq!(breaker.admit(at(3_600)), Admission::Probe);
    }

    #[test]
    fn news_from_others_count_when_they_are_newer() {
        let breaker = CircuitBreaker::new("tested", SETTINGS);
        breaker.record_failure(&failure(Outcome::KeyRefused), false, at(10));
        breaker.merge(None, at(9));
        assert!(breaker.rest().is_some());
        breaker.merge(None, at(11));
        assert_eq!(breaker.admit(at(11)), Admission::Allowed);
        let rest = Rest { until: at(50), why: Outcome::Failed, since: at(12), pauses: 2 };
        breaker.merge(Some(rest), at(12));
        assert_eq!(breaker.admit(at(13)), Admission::Denied { until: at(50) });
    }

    #[test]
    fn a_probe_that_is_let_go_is_no_verdict() {
        let breaker = CircuitBreaker::new("tested", SETTINGS);
        breaker.record_failure(&failure(Outcome::OutOfMoney), false, at(0));
        assert_eq!(breaker.admit(at(4_000)), Admission::Probe);
        breaker.release(true);
        assert_eq!(breaker.admit(at(4_000)), Admission::Probe);
    }
}
