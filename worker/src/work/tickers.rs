//! A ticker for polling, which can be woken early.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    time::{Interval, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

/// An interval with a wake-up and a shutdown token.
pub(crate) struct Ticker {
    interval: Interval,
    wake: Arc<Notify>,
    shutdown: CancellationToken,
}

impl Ticker {
    /// The first tick is immediate. Missed ticks are skipped.
    pub(crate) fn new(every: Duration, shutdown: CancellationToken) -> Self {
        let mut interval = tokio::time::interval(every);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { interval, wake: Arc::default(), shutdown }
    }

    /// Ticks also on this notification.
    #[must_use]
    pub(crate) fn woken_by(self, wake: Arc<Notify>) -> Self {
        Self { wake, ..self }
    }

    /// Waits for the next tick; `false` at the shutdown.
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
