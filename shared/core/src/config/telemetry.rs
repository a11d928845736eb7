//! What a process tells those who look after it: logs, metrics, traces.

use std::{net::SocketAddr, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::{HOLDS_A_SECRET, duration, holds_no_secret, optional_address, optional_secret, optional_url};

#[derive(Debug, Clone, Deserialize)]
pub struct Telemetry {
    pub format: LogFormat,
    pub filter: String,
    /// The share of calls that get a line in the log; those that fail by our fault always do.
    pub access_log: f64,
    /// Where the process shows its metrics and whether it is well; `None`: nowhere.
    #[serde(deserialize_with = "optional_address")]
    pub listen: Option<SocketAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Pretty,
    Json,
    /// In the fields of the Elastic Common Schema.
    Ecs,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Traces {
    /// The collector's address; `None`: nothing is traced.
    #[serde(deserialize_with = "optional_url")]
    pub endpoint: Option<Url>,
    #[serde(deserialize_with = "optional_secret")]
    pub authorization: Option<SecretString>,
    /// The share of calls that are traced.
    pub sample: f64,
    /// What takes as long is traced in any case.
    #[serde(deserialize_with = "duration")]
    pub slow: Duration,
    /// Whether the flag of a caller's `traceparent` counts.
    pub callers: bool,
}

impl Telemetry {
    pub(super) fn check(&self, rule: &mut impl FnMut(bool, &str, &str)) {
        rule((0.0..=1.0).contains(&self.access_log), "telemetry.access_log", "must be 0 to 1");
    }
}

impl Traces {
    pub(super) fn check(&self, rule: &mut impl FnMut(bool, &str, &str)) {
        let endpoint = self.endpoint.as_ref();
        let http = endpoint.is_none_or(|url| ["http", "https"].contains(&url.scheme()));
        rule(http, "traces.endpoint", "must begin with http:// or https://");
        rule(endpoint.is_none_or(holds_no_secret), "traces.endpoint", HOLDS_A_SECRET);
        rule((0.0..=1.0).contains(&self.sample), "traces.sample", "must be 0 to 1");
        rule(!self.slow.is_zero(), "traces.slow", "must be longer than nothing");
    }
}
