//! The queue, live: a socket of an admin's that watches is told every second.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

const EVERY: Duration = Duration::from_secs(1);

/// Whether a socket watches. Boxed: almost none does, and every one has the room for it.
#[derive(Default)]
pub(crate) struct QueueWatch(Option<Box<Interval>>);

impl QueueWatch {
    pub(crate) fn begin(&mut self) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.0 = Some(Box::new(ticks));
    }

    pub(crate) fn end(&mut self) {
        self.0 = None;
    }

    /// Returns when the socket is to be told, at once after the beginning; never while it does not watch.
    pub(crate) async fn due(&mut self) {
        match &mut self.0 {
            Some(ticks) => _ = ticks.tick().await,
            None => std::future::pending().await,
        }
    }
}
