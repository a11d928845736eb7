//! A configuration whose secrets may change while the process runs.
//!
//! On SIGHUP, and when one of its files has changed, it is reloaded as a whole. An invalid one is refused. Of a valid
//! one the keys are applied, and users and passwords in URLs; other changed settings are logged, and need a restart.
//! [`Live::follow`] does this, in one task per process.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use toml::{Table, Value};
use url::Url;

use super::{Config, ConfigError, PostgresHosts, Sources, sources::Reading};

/// A change of files is applied when it is still the same at the next poll: the writer may not have finished.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

type Address = fn(&mut Config) -> &mut Option<SecretString>;

/// The URLs with credentials.
const ADDRESSES: [(&str, Address); 4] = [
    ("database.url", |config| &mut config.database.url),
    ("database.read_url", |config| &mut config.database.read_url),
    ("redis.url", |config| &mut config.redis.url),
    ("mail.url", |config| &mut config.mail.url),
];
/// Query parameters with credentials, in URLs of Unix sockets.
const CREDENTIAL_PARAMETERS: [&str; 3] = ["user", "pass", "password"];

struct Shared {
    sources: Sources,
    config: watch::Sender<Arc<Config>>,
    /// The values of the last configuration that was not refused.
    values: Mutex<Table>,
}

/// Clones share it.
#[derive(Clone)]
pub struct Live(Arc<Shared>);

/// The current value of a secret; read it for each use.
#[derive(Clone)]
pub struct LiveSecret {
    config: watch::Receiver<Arc<Config>>,
    pick: fn(&Config) -> Option<SecretString>,
}

impl fmt::Debug for LiveSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSecret").finish_non_exhaustive()
    }
}

impl LiveSecret {
    pub fn now(&self) -> Option<SecretString> {
        (self.pick)(&self.config.borrow())
    }
}

impl Live {
    pub fn new(sources: Sources) -> Result<Self, ConfigError> {
        let Reading { config, values } = sources.read()?;
        Ok(Self(Arc::new(Shared { sources, config: watch::Sender::new(Arc::new(config)), values: values.into() })))
    }

    /// One that never changes.
    pub fn fixed(config: Config) -> Self {
        let config = watch::Sender::new(Arc::new(config));
        Self(Arc::new(Shared { sources: Sources::default(), config, values: Mutex::default() }))
    }

    /// The configuration as it is now.
    pub fn now(&self) -> Arc<Config> {
        self.0.config.borrow().clone()
    }

    /// Receives every later configuration.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Config>> {
        self.0.config.subscribe()
    }

    pub fn secret(&self, pick: fn(&Config) -> Option<SecretString>) -> LiveSecret {
        LiveSecret { config: self.subscribe(), pick }
    }

    /// Sets what the process itself provides, before anything else reads it.
    pub fn amend(&self, change: impl FnOnce(&mut Config)) {
        self.0.config.send_modify(|config| change(Arc::make_mut(config)));
    }

    /// The configuration as it would be with other defaults, given as TOML: what is configured goes before them.
    pub fn with_defaults(&self, defaults: String) -> Result<Config, ConfigError> {
        Ok(Sources { defaults, ..self.0.sources.clone() }.read()?.config)
    }

    /// Reloads the configuration, and applies what can change.
    pub fn read_again(&self) {
        self.apply(self.0.sources.read());
    }

    /// Reloads on SIGHUP and when files have changed, until the shutdown.
    pub async fn follow(self, shutdown: CancellationToken) {
        let hangups = match signal(SignalKind::hangup()) {
            Ok(hangups) => hangups,
            Err(error) => return tracing::warn!(%error, "SIGHUP is not heard: keys change with a restart only"),
        };
        shutdown.run_until_cancelled(self.poll(hangups)).await;
    }

    async fn poll(&self, mut hangups: Signal) {
        let mut ticks = interval(POLL_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut applied: Result<Table, ConfigError> = Ok(self.0.values.lock().clone());
        let mut seen = applied.clone();
        loop {
            let requested = tokio::select! {
                received = hangups.recv() => received.is_some(),
                _ = ticks.tick() => false,
            };
            let sources = self.0.sources.clone();
            let Ok(reading) = tokio::task::spawn_blocking(move || sources.read()).await else { continue };
            let found = reading.as_ref().map(|reading| reading.values.clone()).map_err(Clone::clone);
            if requested || (found != applied && found == seen) {
                self.apply(reading);
                applied = found.clone();
            }
            seen = found;
        }
    }

    fn apply(&self, reading: Result<Reading, ConfigError>) {
        let result = reading.and_then(|Reading { config, values }| {
            let changed = changed(&self.0.values.lock(), &values);
            let moved = self.apply_keys(config)?;
            *self.0.values.lock() = values;
            Ok(changed.into_iter().partition::<Vec<_>, _>(|setting| self.is_key(setting, &moved)))
        });
        match result {
            Ok((applied, waiting)) => {
                if !applied.is_empty() {
                    tracing::info!(settings = applied.join(", "), "these settings are taken over");
                }
                if !waiting.is_empty() {
                    tracing::warn!(settings = waiting.join(", "), "these settings have changed, and need a restart");
                }
                if applied.is_empty() && waiting.is_empty() {
                    tracing::info!("read the configuration again: nothing has changed");
                }
            }
            Err(error) => tracing::error!(%error, "the new configuration is refused: the old one stays"),
        }
    }

    /// Applies the keys of a new configuration to the current one; the result must be valid, too. Returns the URLs with
    /// another target: these are not applied.
    fn apply_keys(&self, mut new: Config) -> Result<Vec<&'static str>, ConfigError> {
        let mut config = Config::clone(&self.now());
        for (name, provider) in &mut config.providers {
            if let Some(new) = new.providers.get(name) {
                provider.keys.clone_from(&new.keys);
            }
        }
        config.qdrant.api_key.clone_from(&new.qdrant.api_key);
        let mut moved = Vec::new();
        for (name, address) in ADDRESSES {
            let own = address(&mut config);
            let new = address(&mut new);
            if target(own.as_ref()) == target(new.as_ref()) {
                own.clone_from(new);
            } else {
                moved.push(name);
            }
        }
        let mut faults = Vec::new();
        config.check(&mut faults);
        if !faults.is_empty() {
            return Err(ConfigError(faults));
        }
        self.0.config.send_replace(Arc::new(config));
        Ok(moved)
    }

    /// Whether a setting can change while a process runs. Providers cannot be added, and URLs cannot change their
    /// target.
    fn is_key(&self, setting: &str, moved: &[&str]) -> bool {
        let mut parts = setting.splitn(4, '.');
        setting == "qdrant.api_key"
            || ADDRESSES.iter().any(|(address, _)| *address == setting && !moved.contains(address))
            || (parts.next() == Some("providers")
                && parts.next().is_some_and(|name| self.now().providers.contains_key(name))
                && parts.next() == Some("keys"))
    }
}

/// A URL without its credentials, for each of its hosts; with them where a client keeps those that it started with.
fn target(address: Option<&SecretString>) -> Option<String> {
    let address = address?;
    let Ok(hosts) = PostgresHosts::parse(address) else { return Some(target_of_host(address.expose_secret())) };
    let targets: Vec<_> = hosts.urls.iter().map(|url| target_of_host(url.expose_secret())).collect();
    Some(format!("{:?} {}", hosts.session, targets.join(" ")))
}

fn target_of_host(address: &str) -> String {
    let Ok(mut url) = address.parse::<Url>() else { return address.to_owned() };
    if url.scheme().ends_with("-sentinel") {
        return url.into();
    }
    let query: Vec<_> =
        url.query_pairs().into_owned().filter(|(name, _)| !CREDENTIAL_PARAMETERS.contains(&&**name)).collect();
    // Both fail for a URL without a host, which has no credentials there.
    _ = url.set_username("");
    _ = url.set_password(None);
    url.query_pairs_mut().clear().extend_pairs(query);
    url.into()
}

/// The names of the settings that differ.
fn changed(old: &Table, new: &Table) -> Vec<String> {
    let (old, new) = (flat(old), flat(new));
    let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
    let mut names: Vec<_> = names.filter(|name| old.get(*name) != new.get(*name)).cloned().collect();
    names.sort();
    names
}

fn flat(table: &Table) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    for (name, value) in table {
        match value {
            Value::Table(inner) => {
                flat.extend(
                    super::live::flat(inner).into_iter().map(|(inner, value)| (format!("{name}.{inner}"), value)),
                );
            }
            value => _ = flat.insert(name.clone(), value.clone()),
        }
    }
    flat
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_to_the_same_place_whoever_calls() {
        let at = |address: &str| target(Some(&SecretString::from(address)));
        for (one, other) in [
            ("postgres://a:1@h/d", "postgres://b:2@h/d"),
            ("postgres://a@%2Frun%2Fpg/d?sslmode=require", "postgres://b:2@%2Frun%2Fpg/d?sslmode=require"),
            ("postgres:///d?host=/run/pg&user=a&password=1", "postgres:///d?host=/run/pg&user=b&password=2"),
            ("postgres://a:1@g:1,h:2/d", "postgres://b:2@g:1,h:2/d"),
            ("redis+unix://a:1@localhost/s", "redis+unix://b:2@localhost/s"),
            ("rediss-cluster://a:1@h:7000?node=g:7000", "rediss-cluster://b:2@h:7000?node=g:7000"),
            ("smtps://a:1@h:465", "smtps://b:2@h:465"),
        ] {
            assert_eq!(at(one), at(other), "{one} {other}");
        }
        let here = "postgres://a:1@h:5432/d?sslmode=require";
        for elsewhere in [
            "postgres://a:1@g:5432/d?sslmode=require",
            "postgres://a:1@h:5433/d?sslmode=require",
            "postgres://a:1@h:5432/e?sslmode=require",
            "postgres://a:1@h:5432/d?sslmode=disable",
            "postgres://a:1@h:5432/d",
            "postgres://a:1@h:5432,g:5432/d?sslmode=require",
            "postgres://a:1@h:5432/d?sslmode=require&target_session_attrs=primary",
            "redis://a:1@h:5432/d?sslmode=require",
            "no address",
        ] {
            assert_ne!(at(here), at(elsewhere), "{elsewhere}");
        }
        assert_ne!(at(here), target(None));
        let sentinel = |password| at(&format!("redis-sentinel://a:{password}@h?sentinelServiceName=s"));
        assert_ne!(sentinel(1), sentinel(2), "its credentials change by a restart only");
    }
}
