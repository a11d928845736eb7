//! Measures how late the runtime wakes a task that is due: where something blocks its threads, or the machine is full,
//! everything is as late.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use troupe_core::metrics::{Histogram, ObserveTime, milliseconds};

troupe_core::metrics! {
    pub(crate) static METRICS: RuntimeMetrics {
        /// How late a task is woken that is due, measured four times a second.
        lateness: Histogram = "troupe_runtime_wake_lateness_seconds", milliseconds();
    }
}

const INTERVAL: Duration = Duration::from_millis(250);

pub(crate) async fn measure() {
    loop {
        let due = Instant::now() + INTERVAL;
        sleep_until(due).await;
        METRICS.lateness.observe_time(due.elapsed());
    }
}
