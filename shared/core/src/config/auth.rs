//! Authentication: lifetimes, and the cost of password hashes.

use std::time::Duration;

use serde::Deserialize;

use super::duration;

#[derive(Debug, Clone, Deserialize)]
pub struct Auth {
    #[serde(deserialize_with = "duration")]
    pub access_token_ttl: Duration,
    #[serde(deserialize_with = "duration")]
    pub refresh_token_ttl: Duration,
    #[serde(deserialize_with = "duration")]
    pub refresh_grace: Duration,
    #[serde(deserialize_with = "duration")]
    pub session_ttl: Duration,
    #[serde(deserialize_with = "duration")]
    pub sign_in_ttl: Duration,
    #[serde(deserialize_with = "duration")]
    pub socket_ticket_ttl: Duration,
    #[serde(deserialize_with = "duration")]
    pub signature_window: Duration,
    pub keys_per_user: i64,
    pub password_memory: u32,
    pub password_passes: u32,
    pub password_threads: usize,
    pub password_queue: usize,
    #[serde(deserialize_with = "duration")]
    pub refusal_time: Duration,
    #[serde(deserialize_with = "duration")]
    pub reset_ttl: Duration,
    #[serde(deserialize_with = "duration")]
    pub reset_interval: Duration,
}

impl Auth {
    pub(super) fn check(&self, rule: &mut impl FnMut(bool, &str, &str)) {
        rule(
            (Duration::from_secs(1)..=Duration::from_hours(24)).contains(&self.access_token_ttl),
            "auth.access_token_ttl",
            "must be from 1s to 24h",
        );
        rule(
            self.refresh_token_ttl >= self.access_token_ttl,
            "auth.refresh_token_ttl",
            "must not be shorter than auth.access_token_ttl",
        );
        rule(
            self.sign_in_ttl >= self.session_ttl && self.sign_in_ttl >= self.refresh_token_ttl,
            "auth.sign_in_ttl",
            "must not be shorter than auth.session_ttl and auth.refresh_token_ttl",
        );
        rule(self.session_ttl >= Duration::from_secs(1), "auth.session_ttl", "must be at least 1s");
        rule(
            (Duration::from_secs(1)..=Duration::from_hours(1)).contains(&self.signature_window),
            "auth.signature_window",
            "must be from 1s to 1h",
        );
        rule(self.keys_per_user > 0, "auth.keys_per_user", "must be at least 1");
        rule(self.refresh_grace <= Duration::from_mins(1), "auth.refresh_grace", "must not be longer than 1m");
        // OWASP's minimum: 46 MiB with one iteration, 19 MiB with two, or 7 MiB with five.
        rule(
            (7_168..=1_048_576).contains(&self.password_memory),
            "auth.password_memory",
            "must be 7168 to 1048576 (KiB)",
        );
        rule(
            (1..=100).contains(&self.password_passes)
                && u64::from(self.password_memory) * u64::from(self.password_passes) >= 35_840,
            "auth.password_passes",
            "must be 1 to 100, and times auth.password_memory at least 35840: less work is guessed too soon",
        );
        rule(self.password_threads <= 64, "auth.password_threads", "must be 0 to 64");
        rule((1..=10_000).contains(&self.password_queue), "auth.password_queue", "must be 1 to 10000");
        rule(self.refusal_time <= Duration::from_secs(10), "auth.refusal_time", "must not be longer than 10s");
        let hours = Duration::from_mins(1)..=Duration::from_hours(48);
        rule(hours.contains(&self.reset_ttl), "auth.reset_ttl", "must be from 1m to 2d");
        rule(self.reset_interval < self.reset_ttl, "auth.reset_interval", "must be shorter than auth.reset_ttl");
    }
}
