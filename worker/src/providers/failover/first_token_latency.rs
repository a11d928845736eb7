//! The latency of a provider's first tokens over its last calls: a call is hedged when it is later than their p95.

use std::time::Duration;

use parking_lot::Mutex;

const WINDOW_CALLS: usize = 100;
/// Fewer give no percentile.
const MIN_CALLS: usize = 20;

#[derive(Debug, Default)]
pub(super) struct FirstTokenLatency(Mutex<Window>);

/// A ring buffer.
#[derive(Debug, Default)]
struct Window {
    latencies: Vec<Duration>,
    next: usize,
}

impl FirstTokenLatency {
    pub(super) fn record(&self, latency: Duration) {
        let mut window = self.0.lock();
        let next = window.next;
        if next < window.latencies.len() {
            window.latencies[next] = latency;
        } else {
            window.latencies.push(latency);
        }
        window.next = (next + 1) % WINDOW_CALLS;
    }

    /// The 95th percentile; `None` while there are too few calls.
    pub(super) fn p95(&self) -> Option<Duration> {
        let mut latencies = self.0.lock().latencies.clone();
        let at = (latencies.len() * 95 / 100).min(latencies.len().checked_sub(1)?);
        (latencies.len() >= MIN_CALLS).then(|| *latencies.select_nth_unstable(at).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hundred_count() {
        let latency = FirstTokenLatency::default();
        for n in 1..20 {
            latency.record(Duration::from_millis(n));
        }
        assert_eq!(latency.p95(), None);
        for n in 1..=300 {
            latency.record(Duration::from_millis(n));
        }
        assert_eq!(latency.p95(), Some(Duration::from_millis(296)));
    }
}
