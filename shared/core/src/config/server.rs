//! The web tier: its listener, trusted proxies and origins, and limits.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de::Error as _};
use url::{Origin, Url};

use super::{duration, optional_path, optional_text, optional_url};

/// It is a badge.
const MAX_ENVIRONMENT_CHARACTERS: usize = 40;

#[derive(Debug, Clone, Deserialize)]
pub struct Server {
    pub listen: SocketAddr,
    #[serde(deserialize_with = "optional_url")]
    pub public_url: Option<Url>,
    #[serde(deserialize_with = "optional_text")]
    pub environment: Option<String>,
    #[serde(deserialize_with = "optional_path")]
    pub tls_certificate: Option<PathBuf>,
    #[serde(deserialize_with = "optional_path")]
    pub tls_key: Option<PathBuf>,
    #[serde(deserialize_with = "optional_path")]
    pub tls_client_ca: Option<PathBuf>,
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    #[serde(deserialize_with = "origins")]
    pub cors_origins: Vec<String>,
    pub max_body: usize,
    pub max_import: usize,
    pub max_content: usize,
    pub max_document: usize,
    pub max_history: usize,
    pub max_url: usize,
    pub max_header: usize,
    #[serde(deserialize_with = "duration")]
    pub max_wait: Duration,
    #[serde(deserialize_with = "duration")]
    pub header_timeout: Duration,
    #[serde(deserialize_with = "duration")]
    pub idle_timeout: Duration,
    #[serde(deserialize_with = "duration")]
    pub body_timeout: Duration,
    #[serde(deserialize_with = "duration")]
    pub upload_timeout: Duration,
    #[serde(deserialize_with = "duration")]
    pub call_timeout: Duration,
    #[serde(deserialize_with = "duration")]
    pub reply_timeout: Duration,
    /// After SIGTERM, before anything ends.
    #[serde(deserialize_with = "duration")]
    pub leave: Duration,
    #[serde(deserialize_with = "duration")]
    pub drain: Duration,
    #[serde(deserialize_with = "duration")]
    pub ping_interval: Duration,
    pub session_backlog: usize,
    pub max_sockets: usize,
    pub sockets_per_user: usize,
    pub max_connections: usize,
    pub max_calls: usize,
    pub max_waiting: usize,
    pub waiting_per_user: usize,
}

impl Server {
    /// Whether browsers reach this service by TLS.
    pub fn is_https(&self) -> bool {
        self.public_url.as_ref().is_some_and(|url| url.scheme() == "https")
    }

    /// Whether it listens to others than this machine.
    pub fn is_public(&self) -> bool {
        !self.listen.ip().to_canonical().is_loopback()
    }

    /// Validates each setting.
    pub(super) fn check(&self, rule: &mut impl FnMut(bool, &str, &str)) {
        let scheme = self.public_url.as_ref().is_none_or(|url| ["http", "https"].contains(&url.scheme()));
        rule(scheme, "server.public_url", "must begin with http:// or https://");
        let short = self.environment.as_ref().is_none_or(|name| name.chars().count() <= MAX_ENVIRONMENT_CHARACTERS);
        rule(short, "server.environment", "must not be longer than 40 characters");
        let tls = self.tls_certificate.is_some();
        rule(tls == self.tls_key.is_some(), "server.tls_key", "goes with server.tls_certificate: both, or neither");
        rule(tls || self.tls_client_ca.is_none(), "server.tls_client_ca", "needs server.tls_certificate");
        rule(self.max_content > 0, "server.max_content", "must be at least 1");
        rule(self.max_body >= self.max_content, "server.max_body", "must not be smaller than server.max_content");
        rule(self.max_history >= self.max_content, "server.max_history", "must not be smaller than server.max_content");
        rule(self.max_import > 0, "server.max_import", "must be at least 1");
        rule(
            (1..=256 * 1_024 * 1_024).contains(&self.max_document),
            "server.max_document",
            "must be 1 to 268435456 (256 MiB): a document is stored in one piece",
        );
        rule((256..=65_534).contains(&self.max_url), "server.max_url", "must be 256 to 65534");
        rule(
            (8_192..=1_048_576).contains(&self.max_header) && self.max_header >= self.max_url,
            "server.max_header",
            "must be 8192 to 1048576, and not smaller than server.max_url, which is a part of it",
        );
        rule(self.session_backlog >= 16, "server.session_backlog", "must be at least 16");
        for (setting, limit) in [
            ("server.max_sockets", self.max_sockets),
            ("server.sockets_per_user", self.sockets_per_user),
            ("server.max_connections", self.max_connections),
            ("server.max_calls", self.max_calls),
            ("server.max_waiting", self.max_waiting),
            ("server.waiting_per_user", self.waiting_per_user),
        ] {
            rule(limit > 0, setting, "must be at least 1");
        }
        for (setting, time) in [
            ("server.ping_interval", self.ping_interval),
            ("server.header_timeout", self.header_timeout),
            ("server.idle_timeout", self.idle_timeout),
            ("server.body_timeout", self.body_timeout),
            ("server.upload_timeout", self.upload_timeout),
            ("server.call_timeout", self.call_timeout),
            ("server.reply_timeout", self.reply_timeout),
        ] {
            rule(!time.is_zero(), setting, "must be longer than nothing");
        }
        rule(
            self.call_timeout > self.body_timeout,
            "server.call_timeout",
            "must be longer than server.body_timeout, which is a part of it",
        );
    }
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// `10.0.0.0/8, 127.0.0.1`.
fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let network =
        |part: &str| part.parse().ok().or_else(|| part.parse().ok().map(|address: std::net::IpAddr| address.into()));
    let networks =
        list(&text).map(|part| network(part).ok_or_else(|| format!("'{part}' is no network like 10.0.0.0/8")));
    networks.collect::<Result<_, _>>().map_err(D::Error::custom)
}

/// Origins, normalized as browsers send them.
fn origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let origin = |part: &str| {
        let origin = part.parse::<Url>().ok().map(|url| url.origin()).filter(Origin::is_tuple)?.ascii_serialization();
        (origin == part.trim_end_matches('/')).then_some(origin)
    };
    let origins = list(&text).map(|part| {
        origin(part)
            .ok_or_else(|| format!("'{part}' is no origin like https://app.example.com (in full, without a path)"))
    });
    origins.collect::<Result<_, _>>().map_err(D::Error::custom)
}
