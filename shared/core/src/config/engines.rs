//! PostgreSQL and Redis.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::{PostgresHosts, PostgresTransport, duration, optional_secret};

/// A replica is watched for no longer than this (`troupe_db::Reads`).
const MAX_READ_LAG: Duration = Duration::from_mins(5);

/// The query parameters that a PostgreSQL URL may have.
const DATABASE_PARAMETERS: [&str; 18] = [
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "application_name",
    "options",
];

#[derive(Debug, Clone, Deserialize)]
pub struct Database {
    #[serde(deserialize_with = "optional_secret")]
    pub url: Option<SecretString>,
    #[serde(deserialize_with = "optional_secret")]
    pub read_url: Option<SecretString>,
    #[serde(deserialize_with = "duration")]
    pub read_max_lag: Duration,
    pub max_connections: u32,
    #[serde(deserialize_with = "duration")]
    pub acquire_timeout: Duration,
    #[serde(deserialize_with = "duration")]
    pub statement_timeout: Duration,
    #[serde(deserialize_with = "duration")]
    pub response_timeout: Duration,
    pub allow_plaintext: bool,
    pub pooler: bool,
    pub migrate: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Redis {
    #[serde(deserialize_with = "optional_secret")]
    pub url: Option<SecretString>,
    pub prefix: String,
    pub connections: usize,
    #[serde(deserialize_with = "duration")]
    pub command_timeout: Duration,
}

impl Database {
    /// How what is sent to it travels; `None` where no URL is set.
    pub fn transport(&self) -> Option<PostgresTransport> {
        transport(self.url.as_ref())
    }

    /// Validates each setting. `public`: whether the server listens to others than this machine.
    pub(super) fn check(&self, public: bool, rule: &mut impl FnMut(bool, &str, &str)) {
        match self.url.as_ref().map(PostgresHosts::parse) {
            None => {}
            Some(Err(fault)) => rule(false, "database.url", fault),
            Some(Ok(hosts)) => rule(
                hosts.urls.iter().all(is_heeded),
                "database.url",
                "has a parameter that nothing would heed: known are host, hostaddr, port, dbname, user, password, \
                 sslmode, sslrootcert, sslcert, sslkey, statement-cache-capacity, application_name, options and \
                 target_session_attrs",
            ),
        }
        if let Some(url) = &self.read_url {
            rule(
                is_heeded(url) && PostgresHosts::parse(url).is_ok_and(|hosts| hosts.urls.len() == 1),
                "database.read_url",
                "must name one host, with no parameter that database.url may not have, nor target_session_attrs",
            );
            rule(self.url.is_some(), "database.read_url", "is a replica of database.url, which is not set");
        }
        rule(
            (Duration::from_secs(1)..=MAX_READ_LAG).contains(&self.read_max_lag),
            "database.read_max_lag",
            "must be from 1s to 5m",
        );
        for (key, url) in [("database.url", &self.url), ("database.read_url", &self.read_url)] {
            rule(
                !public || self.allow_plaintext || transport(url.as_ref()) != Some(PostgresTransport::Plaintext),
                key,
                "is not encrypted, and server.listen is open to others than this machine: add sslmode=verify-full to \
                 it (or sslmode=require), or set database.allow_plaintext if the network up to PostgreSQL is private",
            );
        }
        rule(
            !self.pooler || !self.migrate,
            "database.migrate",
            "must be false with database.pooler: migrations go past the pooler",
        );
        rule(!self.response_timeout.is_zero(), "database.response_timeout", "must be longer than 0");
        rule(self.max_connections > 0, "database.max_connections", "must be at least 1");
    }
}

impl Redis {
    pub(super) fn check(&self, rule: &mut impl FnMut(bool, &str, &str)) {
        rule(self.connections > 0, "redis.connections", "must be at least 1");
        rule(
            !self.prefix.is_empty() && self.prefix.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)),
            "redis.prefix",
            "must be letters, digits, '-', '_' or '.'",
        );
    }
}

fn transport(url: Option<&SecretString>) -> Option<PostgresTransport> {
    let hosts = PostgresHosts::parse(url?).ok()?;
    Some(PostgresTransport::of(&hosts))
}

/// Whether all query parameters of the PostgreSQL URL are known to the client, which would log others with their
/// values, and ignore them.
fn is_heeded(address: &SecretString) -> bool {
    let known = |name: &str| DATABASE_PARAMETERS.contains(&name) || name.starts_with("options[");
    let url = address.expose_secret().parse::<Url>();
    url.map_or(true, |url| url.query_pairs().all(|(name, _)| known(&name)))
}
