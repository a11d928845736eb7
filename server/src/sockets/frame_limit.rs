//! The rate limit on a socket's incoming frames.

use std::time::Duration;

use tokio::time::Instant;
use troupe_core::quota::Quota;

/// The burst: a client that was offline sends all of its pending messages at once.
const BURST_SECONDS: u32 = 4;

#[derive(Debug)]
pub(super) struct FrameLimit {
    /// `None`: unlimited.
    quota: Option<Quota>,
    paid_at: Instant,
}

impl FrameLimit {
    pub(super) fn new(frames_a_second: Option<u32>) -> Self {
        let quota = frames_a_second.map(|frames| Quota {
            calls: frames.saturating_mul(BURST_SECONDS),
            window: Duration::from_secs(BURST_SECONDS.into()),
        });
        Self { quota, paid_at: Instant::now() }
    }

    /// Counts a frame; whether it exceeds the limit.
    pub(super) fn is_exceeded(&mut self) -> bool {
        let Some(quota) = self.quota else { return false };
        let now = Instant::now();
        match quota.take(self.paid_at.saturating_duration_since(now)) {
            Ok(owed) => self.paid_at = now + owed,
            Err(_) => return true,
        }
        false
    }
}
