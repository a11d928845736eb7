//! Frames that a socket sends: so many a second, and no more.

use std::time::Duration;

use tokio::time::Instant;
use troupe_core::quota::Quota;

/// So many seconds' worth may come at once: a client that was offline says all that it had to say.
const SECONDS: u32 = 4;

#[derive(Debug)]
pub(super) struct FrameLimit {
    /// `None`: there may be as many as come.
    quota: Option<Quota>,
    paid_at: Instant,
}

impl FrameLimit {
    pub(super) fn new(frames_a_second: Option<u32>) -> Self {
        let quota = frames_a_second
            .map(|frames| Quota { calls: frames.saturating_mul(SECONDS), window: Duration::from_secs(SECONDS.into()) });
        Self { quota, paid_at: Instant::now() }
    }

    /// Whether one more frame is too many.
    pub(super) fn is_one_more(&mut self) -> bool {
        let Some(quota) = self.quota else { return false };
        let now = Instant::now();
        match quota.take(self.paid_at.saturating_duration_since(now)) {
            Ok(owed) => self.paid_at = now + owed,
            Err(_) => return true,
        }
        false
    }
}
