//! Retry policy: the maximum of attempts, and the backoff between them.

use std::time::Duration;

/// The maximum of expired leases for all kinds: stops a poison job from crashing worker after worker.
const MAX_LAPSES: u32 = 5;

#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryPolicy {
    /// Attempts before the job is a dead letter; `None` for no limit.
    pub(crate) attempts: Option<u32>,
    /// The pause after the first failure; multiplied by the factor after each one, up to the cap.
    pub(crate) base: Duration,
    pub(crate) factor: u32,
    pub(crate) cap: Duration,
}

impl RetryPolicy {
    /// Pauses that double.
    pub(crate) const fn doubling(attempts: Option<u32>, base: Duration, cap: Duration) -> Self {
        Self { attempts, base, factor: 2, cap }
    }

    /// The pause after so many failures.
    pub(crate) fn pause(&self, failures: u32) -> Duration {
        let growth = self.factor.saturating_pow(failures.saturating_sub(1));
        self.base.saturating_mul(growth).min(self.cap)
    }

    /// Whether a job's attempts are exhausted.
    pub(crate) fn is_exhausted(&self, failures: u32, lapses: u32) -> bool {
        lapses >= MAX_LAPSES || self.attempts.is_some_and(|attempts| failures.saturating_add(lapses) >= attempts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy::doubling(Some(4), Duration::from_secs(1), Duration::from_secs(5));

    #[test]
    fn pauses_grow_up_to_the_cap() {
        let pauses = [0, 1, 2, 3, 4, 5, u32::MAX].map(|failures| POLICY.pause(failures).as_secs());
        assert_eq!(pauses, [1, 1, 2, 4, 5, 5, 5]);
        let slow = RetryPolicy { factor: 4, cap: Duration::MAX, ..POLICY };
        assert_eq!([1, 2, 3].map(|failures| slow.pause(failures).as_secs()), [1, 4, 16]);
    }

    #[test]
    fn attempts_are_used_up_by_failures_and_by_silence() {
        assert!(!POLICY.is_exhausted(3, 0) && POLICY.is_exhausted(4, 0));
        assert!(!POLICY.is_exhausted(1, 2) && POLICY.is_exhausted(2, 2));
        let endless = RetryPolicy { attempts: None, ..POLICY };
        assert!(!endless.is_exhausted(u32::MAX, 4), "only what falls silent ends");
        assert!(endless.is_exhausted(0, 5));
    }
}
