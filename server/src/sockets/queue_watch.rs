//! The live state of the queue, sent every second to admins' sockets that watch it.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

const INTERVAL: Duration = Duration::from_secs(1);

/// The timer of a socket that watches. Boxed: few do, and every connection has the field.
#[derive(Default)]
pub(crate) struct QueueWatch(Option<Box<Interval>>);

impl QueueWatch {
    pub(crate) fn start(&mut self) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.0 = Some(Box::new(ticks));
    }

    pub(crate) fn stop(&mut self) {
        self.0 = None;
    }

    /// Returns when the state is due, the first time at once; never while the socket does not watch.
    pub(crate) async fn due(&mut self) {
        match &mut self.0 {
            Some(ticks) => _ = ticks.tick().await,
            None => std::future::pending().await,
        }
    }
}
