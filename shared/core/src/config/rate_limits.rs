//! Rate limits.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error as _};

use super::duration;
use crate::quota::Quota;

#[derive(Debug, Clone, Deserialize)]
pub struct RateLimits {
    pub enabled: bool,
    #[serde(deserialize_with = "quota")]
    pub anonymous: Quota,
    #[serde(deserialize_with = "quota")]
    pub sign_in_account: Quota,
    #[serde(deserialize_with = "quota")]
    pub sign_in_address: Quota,
    pub socket_frames: u32,
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
}

impl RateLimits {
    /// Validates each setting.
    pub(super) fn check(&self, rule: &mut impl FnMut(bool, &str, &str)) {
        rule((1..=10_000).contains(&self.socket_frames), "rate_limits.socket_frames", "must be 1 to 10000");
        let allowed = Duration::from_millis(1)..=Duration::from_secs(5);
        rule(allowed.contains(&self.timeout), "rate_limits.timeout", "must be from 1ms to 5s");
    }
}

fn quota<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Quota, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}
