//! The pause before the next attempt at a reply.

use std::time::Duration;

use troupe_core::config;

const MAX_DOUBLINGS: u32 = 20;

/// Exponential backoff with jitter, so that concurrent failures do not retry together; longer where a provider asked
/// for it; capped at `worker.retry_cap`.
pub(super) fn retry_backoff(settings: &config::Worker, attempts: u32, requested: Option<Duration>) -> Duration {
    let doublings = attempts.saturating_sub(1).min(MAX_DOUBLINGS);
    let whole = settings.retry_base.saturating_mul(1 << doublings).min(settings.retry_cap);
    let jittered = whole.mul_f64(0.5 + fastrand::f64() / 2.0);
    jittered.max(requested.unwrap_or_default().min(settings.retry_cap))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_the_cap_and_waits_as_long_as_a_provider_asks_for() {
        let config = config::Config::from_sources(None, []).unwrap();
        let (base, cap) = (config.worker.retry_base, config.worker.retry_cap);
        for (attempts, whole) in [(1, base), (2, base * 2), (40, cap)] {
            let pause = retry_backoff(&config.worker, attempts, None);
            assert!((whole / 2..=whole).contains(&pause), "attempt {attempts}: {pause:?} of {whole:?}");
        }
        assert_eq!(retry_backoff(&config.worker, 1, Some(base * 3)), base * 3);
        assert_eq!(retry_backoff(&config.worker, 1, Some(cap * 3)), cap);
    }
}
