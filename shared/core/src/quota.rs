//! Rate limits: GCRA, the "leaky bucket" with one number as its state.
//!
//! The state of a subject is the time that it *owes*: each call adds the emission interval (the time in which one call
//! is regained), and time pays it back. A burst may use the whole quota, and after that calls are regained one at a
//! time; there is no window that resets. `limiter.lua` is the same for Redis.

use std::time::Duration;

/// A burst of `calls`, regained evenly over the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    pub calls: u32,
    pub window: Duration,
}

impl Quota {
    pub const fn per_minute(calls: u32) -> Self {
        Self { calls, window: Duration::from_mins(1) }
    }

    /// The emission interval: one call is regained in it. In whole microseconds.
    pub fn cost(self) -> Duration {
        let micros = self.window.as_micros() / u128::from(self.calls.max(1));
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX).max(1))
    }

    /// The maximum that may be owed: the burst. (A little less than the window, where the cost is rounded: the last
    /// call must not be lost to that.)
    pub fn max_owed(self) -> Duration {
        self.cost().saturating_mul(self.calls)
    }

    /// What is owed after one more call; the error is the time until the next call is allowed (`retry-after`).
    pub fn take(self, owed: Duration) -> Result<Duration, Duration> {
        let after = owed.min(self.max_owed()) + self.cost();
        after.checked_sub(self.max_owed()).filter(|over| !over.is_zero()).map_or(Ok(after), Err)
    }

    /// The remaining calls while so much is owed.
    pub fn remaining(self, owed: Duration) -> u32 {
        let free = self.max_owed().saturating_sub(owed).as_micros() / self.cost().as_micros();
        u32::try_from(free).unwrap_or(u32::MAX)
    }
}

/// The format in the configuration: `100 per 15m`.
impl std::str::FromStr for Quota {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not a quota like '100 per 15m'");
        let (calls, window) = text.split_once(" per ").ok_or_else(wrong)?;
        let calls = calls.trim().parse().map_err(|_| wrong())?;
        let window = humantime::parse_duration(window.trim()).map_err(|_| wrong())?;
        if calls == 0 || !(Duration::from_millis(100)..=Duration::from_hours(24)).contains(&window) {
            return Err(format!("'{text}': must be at least 1, per 100ms to 24h"));
        }
        Ok(Self { calls, window })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn so_many_at_once_and_then_one_at_a_time() {
        let quota: Quota = "4 per 1m".parse().unwrap();
        let mut owed = Duration::ZERO;
        for left in (0..4).rev() {
            owed = quota.take(owed).unwrap();
            assert_eq!(quota.remaining(owed), left);
        }
        assert_eq!(quota.take(owed), Err(Duration::from_secs(15)));
        owed = quota.take(owed.saturating_sub(Duration::from_secs(15))).unwrap();
        assert_eq!(quota.take(owed), Err(Duration::from_secs(15)));
    }

    #[test]
    fn what_is_no_quota_is_refused() {
        for wrong in
            ["", "100", "100/15m", "0 per 1m", "-1 per 1m", "1 per 0s", "1 per 10ms", "1 per 2d", "x per 1m", "1 per x"]
        {
            assert!(wrong.parse::<Quota>().is_err(), "{wrong}");
        }
    }

    proptest! {
        /// Whenever calls come: no more than the quota at once and what is regained meanwhile, and never fewer than
        /// that.
        #[test]
        fn never_more_than_was_regained(calls in 1u32..50, window in 1u64..100_000, pauses in prop::collection::vec(0u64..5_000, 1..300)) {
            let quota = Quota { calls, window: Duration::from_millis(window.max(100)) };
            let (mut owed, mut passed, mut admitted) = (Duration::ZERO, Duration::ZERO, 0u128);
            for pause in pauses {
                let pause = Duration::from_millis(pause);
                owed = owed.saturating_sub(pause);
                passed += pause;
                let left = quota.remaining(owed);
                match quota.take(owed) {
                    Ok(after) => { owed = after; admitted += 1; prop_assert!(left > 0) }
                    Err(wait) => {
                        prop_assert_eq!(left, 0);
                        prop_assert!(wait <= quota.cost() && quota.take(owed.saturating_sub(wait)).is_ok());
                    }
                }
                prop_assert!(admitted <= u128::from(calls) + passed.as_micros() / quota.cost().as_micros());
            }
        }
    }
}
