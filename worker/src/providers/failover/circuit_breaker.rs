//! How one key of one provider stands: whether it may be asked now.
//!
//! A circuit breaker: enough failures open it for a pause; after that one call is let through as a probe, and decides whether
//! all may ask again or the pause begins anew, twice as long. A key that its provider turns away rests in the same way. Pure:
//! time is told, never asked. What is said here is shared between workers by [`super::health_board`].

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;
use troupe_core::{
    config,
    model::providers::{Outcome, Rest},
};

use crate::providers::failure::{Failure, KeyThen, consequence};

/// Calls that the breaker looks back on.
const LOOKED_BACK: u32 = 20;

/// Pauses of `models` in the configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pauses {
    failures: u32,
    first: TimeDelta,
    most: TimeDelta,
    rate_limit_cap: TimeDelta,
    out: TimeDelta,
}

impl From<&config::Models> for Pauses {
    fn from(config: &config::Models) -> Self {
        let delta = |duration| TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
        Self {
            failures: config.breaker_failures.min(LOOKED_BACK),
            first: delta(config.breaker_pause),
            most: delta(config.breaker_cap),
            rate_limit_cap: delta(config.rate_limit_cap),
            out: delta(config.key_out),
        }
    }
}

/// Whether a key may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Yes,
    /// As the one that finds out whether the others may.
    Probe,
    No {
        until: DateTime<Utc>,
    },
}

#[derive(Debug, Default)]
struct State {
    /// The last calls, the newest in the lowest bit; set where it failed.
    failed: u32,
    calls: u32,
    rest: Option<Rest>,
    /// Of the last rest, over or not: what is shared is told by the time of its change.
    changed: Option<DateTime<Utc>>,
    /// A probe is under way here, and until when it is waited for.
    probe: Option<DateTime<Utc>>,
}

#[derive(Debug)]
pub(super) struct Standing {
    pauses: Pauses,
    state: Mutex<State>,
}

impl Standing {
    pub(super) fn new(pauses: Pauses) -> Self {
        Self { pauses, state: Mutex::default() }
    }

    pub(super) fn rest(&self) -> Option<Rest> {
        self.state.lock().rest.clone()
    }

    pub(super) fn admit(&self, now: DateTime<Utc>) -> Admission {
        let mut state = self.state.lock();
        let Some(rest) = &state.rest else { return Admission::Yes };
        if rest.until > now {
            return Admission::No { until: rest.until };
        }
        if let Some(until) = state.probe
            && until > now
        {
            return Admission::No { until: now + PROBE_LOOK };
        }
        if rest.why == Outcome::RateLimited {
            // It said itself when it would be well.
            state.rest = None;
            return Admission::Yes;
        }
        state.probe = Some(now + PROBE_TIME);
        Admission::Probe
    }

    /// A call came to a good end. Says whether that was the proof which the others waited for: what was under way before a
    /// rest began proves nothing about its reason.
    pub(super) fn succeeded(&self, probe: bool, now: DateTime<Utc>) -> bool {
        let mut state = self.state.lock();
        state.look_back(false);
        if probe {
            *state = State { changed: Some(now), ..State::default() };
        }
        probe
    }

    /// Neither: it was not waited for.
    pub(super) fn let_go(&self, probe: bool) {
        if probe {
            self.state.lock().probe = None;
        }
    }

    /// A check found the service and the key well: the next call may be the probe.
    pub(super) fn checked(&self, now: DateTime<Utc>) -> bool {
        let mut state = self.state.lock();
        match &mut state.rest {
            Some(rest) if rest.until > now && !matches!(rest.why, Outcome::RateLimited | Outcome::OutOfMoney) => {
                rest.until = now;
                state.changed = Some(now);
                true
            }
            _ => false,
        }
    }

    /// Takes a failure in; says whether the key rests now because of it.
    pub(super) fn failed(&self, failure: &Failure, probe: bool, now: DateTime<Utc>) -> bool {
        let meaning = consequence(failure.outcome);
        let mut state = self.state.lock();
        if probe {
            state.probe = None;
        }
        if meaning.counts {
            state.look_back(true);
        }
        let pauses = state.rest.as_ref().map_or(0, |rest| rest.pauses);
        let asked = failure.retry_after.and_then(|after| TimeDelta::from_std(after).ok());
        let pause = match meaning.key {
            KeyThen::Rests => Some(asked.unwrap_or(self.doubled(pauses)).min(self.pauses.rate_limit_cap)),
            KeyThen::Out | KeyThen::OutWithAlarm => Some(self.pauses.out),
            KeyThen::Stays if probe && meaning.counts => Some(self.doubled(pauses)),
            // A service that is overloaded may say for how long.
            KeyThen::Stays if meaning.counts && state.is_bad(self.pauses.failures) => {
                Some(self.doubled(pauses).max(asked.unwrap_or_default().min(self.pauses.rate_limit_cap)))
            }
            KeyThen::Stays => None,
        };
        let Some(pause) = pause else { return false };
        let until = now.checked_add_signed(pause).unwrap_or(DateTime::<Utc>::MAX_UTC);
        // Calls that were under way when the rest began say nothing new.
        if !probe && state.rest.as_ref().is_some_and(|rest| rest.until >= until || rest.until > now && meaning.counts) {
            return false;
        }
        state.rest = Some(Rest { until, why: failure.outcome, since: now, pauses: pauses.saturating_add(1) });
        state.changed = Some(now);
        true
    }

    /// What another worker has found out; says whether that is news, or this one knows something newer.
    pub(super) fn learn(&self, rest: Option<Rest>, changed: DateTime<Utc>) -> bool {
        let mut state = self.state.lock();
        let newer = state.changed.is_none_or(|known| known < changed);
        if newer {
            *state = State { rest, changed: Some(changed), ..State::default() };
        }
        newer
    }

    fn doubled(&self, pauses: u32) -> TimeDelta {
        self.pauses.first.checked_mul(1 << pauses.min(16)).unwrap_or(self.pauses.most).min(self.pauses.most)
    }
}

/// How long a probe is waited for before another may be sent, and how soon those who must wait for it look again.
const PROBE_TIME: TimeDelta = TimeDelta::seconds(30);
const PROBE_LOOK: TimeDelta = TimeDelta::seconds(1);

impl State {
    fn look_back(&mut self, failed: bool) {
        self.failed = self.failed << 1 | u32::from(failed);
        self.calls = (self.calls + 1).min(LOOKED_BACK);
    }

    /// Enough failures, and as many as half of the last calls.
    fn is_bad(&self, enough: u32) -> bool {
        let failures = (self.failed & ((1 << LOOKED_BACK) - 1)).count_ones();
        failures >= enough && failures * 2 >= self.calls
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PAUSES: Pauses = Pauses {
        failures: 5,
        first: TimeDelta::seconds(5),
        most: TimeDelta::seconds(60),
        rate_limit_cap: TimeDelta::seconds(30),
        out: TimeDelta::hours(1),
    };

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn failure(outcome: Outcome) -> Failure {
        Failure::new(outcome, "as told")
    }

    #[test]
    fn failures_in_a_row_open_it_and_one_probe_closes_it_again() {
        let standing = Standing::new(PAUSES);
        for n in 0..4 {
            assert!(!standing.failed(&failure(Outcome::Failed), false, at(n)));
        }
        assert!(standing.failed(&failure(Outcome::Failed), false, at(4)));
        assert!(!standing.failed(&failure(Outcome::Failed), false, at(4)), "it was under way already");
        assert_eq!(standing.admit(at(8)), Admission::No { until: at(9) });
        assert_eq!(standing.admit(at(9)), Admission::Probe);
        assert_eq!(standing.admit(at(9)), Admission::No { until: at(10) }, "one at a time");
        assert!(standing.failed(&failure(Outcome::Cut), true, at(10)));
        assert_eq!(standing.admit(at(19)), Admission::No { until: at(20) }, "twice as long");
        assert_eq!(standing.admit(at(20)), Admission::Probe);
        assert!(standing.succeeded(true, at(21)));
        assert_eq!(standing.admit(at(21)), Admission::Yes);
        assert!(!standing.failed(&failure(Outcome::Failed), false, at(22)), "what was before is forgotten");
    }

    #[test]
    fn failures_among_as_many_successes_do_not() {
        let standing = Standing::new(PAUSES);
        for n in 0..200 {
            standing.succeeded(false, at(n));
            standing.succeeded(false, at(n));
            assert!(!standing.failed(&failure(Outcome::Failed), false, at(n)));
        }
    }

    #[test]
    fn a_key_rests_as_long_as_it_is_told_within_reason() {
        let standing = Standing::new(PAUSES);
        let limited =
            |seconds| Failure { retry_after: Some(Duration::from_secs(seconds)), ..failure(Outcome::RateLimited) };
        assert!(standing.failed(&limited(7), false, at(0)));
        assert_eq!(standing.admit(at(6)), Admission::No { until: at(7) });
        assert_eq!(standing.admit(at(7)), Admission::Yes);
        assert!(standing.failed(&limited(7_000), false, at(8)));
        assert_eq!(standing.admit(at(9)), Admission::No { until: at(38) });
        let standing = Standing::new(PAUSES);
        assert!(standing.failed(&failure(Outcome::OutOfMoney), false, at(0)));
        assert_eq!(standing.admit(at(3_599)), Admission::No { until: at(3_600) });
        assert_eq!(standing.admit(at(3_600)), Admission::Probe);
    }

    #[test]
    fn news_from_others_count_when_they_are_newer() {
        let standing = Standing::new(PAUSES);
        standing.failed(&failure(Outcome::KeyRefused), false, at(10));
        standing.learn(None, at(9));
        assert!(standing.rest().is_some());
        standing.learn(None, at(11));
        assert_eq!(standing.admit(at(11)), Admission::Yes);
        let rest = Rest { until: at(50), why: Outcome::Failed, since: at(12), pauses: 2 };
        standing.learn(Some(rest), at(12));
        assert_eq!(standing.admit(at(13)), Admission::No { until: at(50) });
    }

    #[test]
    fn a_probe_that_is_let_go_is_no_verdict() {
        let standing = Standing::new(PAUSES);
        standing.failed(&failure(Outcome::OutOfMoney), false, at(0));
        assert_eq!(standing.admit(at(4_000)), Admission::Probe);
        standing.let_go(true);
        assert_eq!(standing.admit(at(4_000)), Admission::Probe);
    }
}
