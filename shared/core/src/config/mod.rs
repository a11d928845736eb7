//! Configuration: embedded defaults < optional TOML file < directory of secrets < environment, typed and validated once
//! at start.
//!
//! Nothing else reads the environment. All faults are reported at once, each with its key. Binaries load it by
//! [`Options::load`], as [`Live`]: keys in it may change at runtime.

mod auth;
mod embeddings;
mod engines;
mod live;
mod local;
mod mail;
mod object_storage;
mod options;
mod outgoing;
mod postgres_hosts;
mod postgres_transport;
mod providers;
mod rate_limits;
mod registration;
mod retrieval;
mod server;
mod sources;
mod speech;
mod telemetry;
#[cfg(test)]
mod tests;
mod translation;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de::Error as _};
use toml::Value;
use url::Url;

use self::object_storage::optional_place;

pub use auth::Auth;
pub use embeddings::{EmbeddingService, Embeddings, Qdrant};
pub use engines::{Database, Redis};
pub use live::{Live, LiveSecret};
pub use local::{Local, LocalModels};
pub use mail::{Admin, Mail};
pub use object_storage::{S3, StoragePlace};
pub use options::Options;
pub use outgoing::{Outgoing, Push};
pub use postgres_hosts::{PostgresHosts, SessionAttributes};
pub use postgres_transport::PostgresTransport;
pub use providers::{Format, Models, OFFLINE, Provider, Providers, Speaker, UnknownLink, check_link, public_address};
pub use rate_limits::RateLimits;
pub use registration::{Registration, RegistrationMode};
pub use retrieval::Retrieval;
pub use server::Server;
pub use speech::{LOCAL_VOICE, Speech, Voice};

#[cfg(feature = "fuzzing")]
pub(crate) use sources::read_text;
pub use sources::{ConfigError, Fault, Sources};
pub use telemetry::{LogFormat, Telemetry, Traces};
pub use translation::{Translation, TranslationProvider};

#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    pub database: Database,
    pub redis: Redis,
    pub server: Server,
    pub auth: Auth,
    pub registration: Registration,
    pub admin: Admin,
    pub mail: Mail,
    pub queue: Queue,
    pub worker: Worker,
    pub models: Models,
    pub providers: Providers,
    pub local: Local,
    pub speech: Speech,
    pub translation: Translation,
    pub embeddings: Embeddings,
    pub qdrant: Qdrant,
    pub cache: Cache,
    pub knowledge: Knowledge,
    pub retrieval: Retrieval,
    pub push: Push,
    pub outgoing: Outgoing,
    pub events: Events,
    pub retention: Retention,
    pub s3: S3,
    pub housekeeping: Housekeeping,
    pub rate_limits: RateLimits,
    pub telemetry: Telemetry,
    pub traces: Traces,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Queue {
    #[serde(deserialize_with = "duration")]
    pub redispatch_after: Duration,
    pub user_at_once: u32,
    pub user_open: u32,
    pub max_open: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Worker {
    pub concurrency: usize,
    pub jobs: usize,
    #[serde(deserialize_with = "duration")]
    pub lease: Duration,
    pub max_attempts: u32,
    #[serde(deserialize_with = "duration")]
    pub max_wait: Duration,
    pub max_cost: f64,
    #[serde(deserialize_with = "duration")]
    pub retry_base: Duration,
    #[serde(deserialize_with = "duration")]
    pub retry_cap: Duration,
    #[serde(deserialize_with = "duration")]
    pub coalesce: Duration,
    pub history_messages: u32,
    pub prompt_tokens: usize,
    #[serde(deserialize_with = "duration")]
    pub sweep_interval: Duration,
    #[serde(deserialize_with = "duration")]
    pub drain: Duration,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Cache {
    #[serde(deserialize_with = "duration")]
    pub reply_ttl: Duration,
    pub max_reply: usize,
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Knowledge {
    pub max_text: usize,
    #[serde(deserialize_with = "duration")]
    pub extract_timeout: Duration,
    pub extract_memory: u64,
    pub index_at_once: usize,
    pub index_attempts: i32,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Events {
    #[serde(deserialize_with = "duration")]
    pub log_ttl: Duration,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Retention {
    #[serde(deserialize_with = "duration")]
    pub idempotency_keys: Duration,
    #[serde(deserialize_with = "duration")]
    pub exports: Duration,
    /// `None`: for ever.
    #[serde(deserialize_with = "duration_or_forever")]
    pub requests: Option<Duration>,
    /// Where requests are written to before they are removed.
    #[serde(deserialize_with = "optional_place")]
    pub archive: Option<StoragePlace>,
    #[serde(deserialize_with = "duration_or_forever")]
    pub spending: Option<Duration>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Housekeeping {
    #[serde(deserialize_with = "duration")]
    pub interval: Duration,
    pub batch: u32,
    #[serde(deserialize_with = "duration")]
    pub pause: Duration,
}

impl Config {
    pub fn from_sources(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let environment = environment.into_iter().collect();
        let sources = Sources { file: file.map(Path::to_owned), environment, ..Sources::default() };
        Ok(sources.read()?.config)
    }

    /// Validates rules between settings, each with the key at fault.
    fn check(&self, faults: &mut Vec<Fault>) {
        let mut rule = |holds: bool, key: &str, message: &str| {
            if !holds {
                faults.push(Fault { key: key.to_owned(), message: message.to_owned() });
            }
        };
        self.database.check(self.server.is_public(), &mut rule);
        self.redis.check(&mut rule);
        self.server.check(&mut rule);
        self.rate_limits.check(&mut rule);
        self.mail.check(self.server.public_url.as_ref(), &mut rule);
        self.admin.check(&mut rule);
        self.knowledge.check(&mut rule);
        self.retrieval.check(&mut rule);
        self.telemetry.check(&mut rule);
        self.traces.check(&mut rule);
        rule(!self.outgoing.timeout.is_zero(), "outgoing.timeout", "must be longer than nothing");
        rule(self.queue.user_at_once > 0, "queue.user_at_once", "must be at least 1");
        rule((1..=100_000).contains(&self.queue.max_open), "queue.max_open", "must be 1 to 100000");
        rule(self.queue.user_open > 0, "queue.user_open", "must be at least 1");
        self.auth.check(&mut rule);
        self.registration.check(&self.mail, &mut rule);
        rule(self.worker.concurrency > 0, "worker.concurrency", "must be at least 1");
        rule(
            self.worker.max_cost.is_finite() && self.worker.max_cost >= 0.0,
            "worker.max_cost",
            "must not be negative",
        );
        self.models.check(&self.providers, &mut rule);
        self.local.check(&mut rule);
        self.speech.check(&self.providers, &mut rule);
        self.translation.check(&mut rule);
        self.embeddings.check(&self.providers, &mut rule);
        self.qdrant.check(&mut rule);
        rule(self.worker.max_attempts > 0, "worker.max_attempts", "must be at least 1");
        rule(
            self.worker.lease >= Duration::from_secs(1),
            "worker.lease",
            "must be at least 1s: it is renewed every third of it",
        );
        rule(
            self.worker.retry_cap >= self.worker.retry_base,
            "worker.retry_cap",
            "must not be shorter than worker.retry_base",
        );
        rule(!self.worker.sweep_interval.is_zero(), "worker.sweep_interval", "must be longer than nothing");
        rule(
            self.retention.requests.is_none_or(|kept| kept >= self.retention.idempotency_keys),
            "retention.requests",
            "must not be shorter than retention.idempotency_keys, which answer with them",
        );
        let in_bucket = matches!(self.retention.archive, Some(StoragePlace::Bucket { .. }));
        self.s3.check(in_bucket, &mut rule);
        rule(!self.retention.exports.is_zero(), "retention.exports", "must be longer than nothing");
        rule(
            self.retention.spending.is_none_or(|kept| kept >= Duration::from_hours(48)),
            "retention.spending",
            "must not be shorter than 2d: today's is counted with",
        );
        rule(
            self.housekeeping.interval >= Duration::from_millis(100),
            "housekeeping.interval",
            "must be at least 100ms",
        );
        rule(self.housekeeping.batch > 0, "housekeeping.batch", "must be at least 1");
    }
}

impl Knowledge {
    fn check(&self, rule: &mut impl FnMut(bool, &str, &str)) {
        rule(
            (1_024..=64 * 1_024 * 1_024).contains(&self.max_text),
            "knowledge.max_text",
            "must be 1024 to 67108864 (64 MiB): a text is stored in one piece",
        );
        let seconds = Duration::from_secs(1)..=Duration::from_mins(10);
        rule(seconds.contains(&self.extract_timeout), "knowledge.extract_timeout", "must be from 1s to 10m");
        rule(
            self.extract_memory >= 256 * 1_024 * 1_024,
            "knowledge.extract_memory",
            "must be at least 268435456 (256 MiB): the program itself takes a part of it",
        );
        rule((1..=64).contains(&self.index_at_once), "knowledge.index_at_once", "must be 1 to 64");
        rule((1..=100).contains(&self.index_attempts), "knowledge.index_attempts", "must be 1 to 100");
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text).map_err(|e| D::Error::custom(format!("'{text}' is not a duration like 15s: {e}")))
}

fn duration_or_forever<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == "forever" {
        return Ok(None);
    }
    let wrong = |e| D::Error::custom(format!("'{text}' is neither 'forever' nor a duration like 90d: {e}"));
    humantime::parse_duration(&text).map(Some).map_err(wrong)
}

fn optional_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    let text = secret_text(Value::deserialize(deserializer)?)?;
    Ok((!text.is_empty()).then(|| text.into()))
}

/// The default error would show a value that is not a string.
fn secret_text<E: serde::de::Error>(value: Value) -> Result<String, E> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(E::custom("must be a text, in quotes")),
    }
}

fn optional_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    // Without the text: it may hold a password.
    text.parse().map(Some).map_err(|e| D::Error::custom(format!("is not an address: {e}")))
}

fn optional_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = |_| D::Error::custom(format!("'{text}' is no address with a port, such as 127.0.0.1:9464"));
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(wrong) }
}

fn optional_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok((!text.is_empty()).then_some(text))
}

fn optional_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok((!text.is_empty()).then(|| text.into()))
}

/// Addresses are shown in logs and in `Debug`, so they must not hold secrets.
fn holds_no_secret(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none()
}

const HOLDS_A_SECRET: &str = "must not hold a user or a password: they belong into a key";
