//! What is looked at from time to time, or as soon as something wakes it.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    time::{Interval, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

/// An interval, what may cut it short, and the shutdown that ends it.
pub(crate) struct Ticker {
    interval: Interval,
    wake: Arc<Notify>,
    shutdown: CancellationToken,
}

impl Ticker {
    /// The first tick comes at once. One that came late is not made up for.
    pub(crate) fn new(every: Duration, shutdown: CancellationToken) -> Self {
        let mut interval = tokio::time::interval(every);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { interval, wake: Arc::default(), shutdown }
    }

    /// Ticks also when this is notified.
    #[must_use]
    pub(crate) fn woken_by(self, wake: Arc<Notify>) -> Self {
        Self { wake, ..self }
    }

    /// Waits for the next tick; `false` when the shutdown has come.
    pub(crate) async fn tick(&mut self) -> bool {
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => false,
            () = self.wake.notified() => true,
            _ = self.interval.tick() => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_ticks_at_once_then_by_its_interval_or_when_woken_and_ends_with_the_shutdown() {
        let (wake, shutdown) = (Arc::new(Notify::new()), CancellationToken::new());
        let mut ticker = Ticker::new(Duration::from_hours(1), shutdown.clone()).woken_by(wake.clone());
        let began = tokio::time::Instant::now();
        assert!(ticker.tick().await);
        wake.notify_one();
        assert!(ticker.tick().await);
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(ticker.tick().await);
        assert_eq!(began.elapsed(), Duration::from_hours(1));
        shutdown.cancel();
        assert!(!ticker.tick().await);
    }
}
