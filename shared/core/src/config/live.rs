//! A configuration whose keys may change while the process runs.
//!
//! On SIGHUP, and when a file that it was read from has changed, all is read anew. What is sound is compared with what
//! was there: keys are taken over, and users and passwords in addresses; whatever else has changed is named and waits
//! for a restart. What is not sound is refused as a whole. [`Live::follow`] does it; one task of a process is enough.

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

use super::{Config, ConfigError, Sources, sources::Reading};

/// How often files are looked at. What has changed is taken when it has stayed the same for one more look: whoever
/// writes it may not be done.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

type Address = fn(&mut Config) -> &mut Option<SecretString>;

/// The addresses that say who calls.
const ADDRESSES: [(&str, Address); 3] = [
    ("database.url", |config| &mut config.database.url),
    ("redis.url", |config| &mut config.redis.url),
    ("mail.url", |config| &mut config.mail.url),
];
/// Where addresses of Unix sockets may say it.
const CALLER_IN_QUERY: [&str; 3] = ["user", "pass", "password"];

struct Shared {
    sources: Sources,
    config: watch::Sender<Arc<Config>>,
    /// What was read last, if it was not refused.
    values: Mutex<Table>,
}

/// Clones share it.
#[derive(Clone)]
pub struct Live(Arc<Shared>);

/// A secret as it is now: whoever uses it asks each time.
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

    /// One that stays as it is.
    pub fn fixed(config: Config) -> Self {
        let config = watch::Sender::new(Arc::new(config));
        Self(Arc::new(Shared { sources: Sources::default(), config, values: Mutex::default() }))
    }

    /// The configuration as it is now.
    pub fn now(&self) -> Arc<Config> {
        self.0.config.borrow().clone()
    }

    /// Every one that comes from now on.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Config>> {
        self.0.config.subscribe()
    }

    pub fn secret(&self, pick: fn(&Config) -> Option<SecretString>) -> LiveSecret {
        LiveSecret { config: self.subscribe(), pick }
    }

    /// Sets what the process itself provides, before anybody else reads it.
    pub fn amend(&self, change: impl FnOnce(&mut Config)) {
        self.0.config.send_modify(|config| change(Arc::make_mut(config)));
    }

    /// Reads anew, and takes over what can be.
    pub fn read_again(&self) {
        self.take(self.0.sources.read());
    }

    /// Reads anew whenever it is asked to, or finds something changed, until the shutdown.
    pub async fn follow(self, shutdown: CancellationToken) {
        let hangups = match signal(SignalKind::hangup()) {
            Ok(hangups) => hangups,
            Err(error) => return tracing::warn!(%error, "SIGHUP is not heard: keys change with a restart only"),
        };
        shutdown.run_until_cancelled(self.look_again(hangups)).await;
    }

    async fn look_again(&self, mut hangups: Signal) {
        let mut looks = interval(POLL_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut settled: Result<Table, ConfigError> = Ok(self.0.values.lock().clone());
        let mut seen = settled.clone();
        loop {
            let asked = tokio::select! {
                heard = hangups.recv() => heard.is_some(),
                _ = looks.tick() => false,
            };
            let sources = self.0.sources.clone();
            let Ok(reading) = tokio::task::spawn_blocking(move || sources.read()).await else { continue };
            let found = reading.as_ref().map(|reading| reading.values.clone()).map_err(Clone::clone);
            if asked || (found != settled && found == seen) {
                self.take(reading);
                settled = found.clone();
            }
            seen = found;
        }
    }

    fn take(&self, reading: Result<Reading, ConfigError>) {
        let taken = reading.and_then(|Reading { config, values }| {
            let changed = changed(&self.0.values.lock(), &values);
            let untaken = self.take_keys(config)?;
            *self.0.values.lock() = values;
            Ok(changed.into_iter().partition::<Vec<_>, _>(|setting| self.is_key(setting, &untaken)))
        });
        match taken {
            Ok((taken, waiting)) => {
                if !taken.is_empty() {
                    tracing::info!(settings = taken.join(", "), "these settings are taken over");
                }
                if !waiting.is_empty() {
                    tracing::warn!(settings = waiting.join(", "), "these settings have changed, and need a restart");
                }
                if taken.is_empty() && waiting.is_empty() {
                    tracing::info!("read the configuration again: nothing has changed");
                }
            }
            Err(error) => tracing::error!(%error, "the new configuration is refused: the old one stays"),
        }
    }

    /// The keys of a new configuration among the settings that are in force; together they must be sound, too. Returns
    /// the addresses that lead elsewhere now: these are not taken.
    fn take_keys(&self, mut new: Config) -> Result<Vec<&'static str>, ConfigError> {
        let mut config = Config::clone(&self.now());
        for (name, provider) in &mut config.providers {
            if let Some(new) = new.providers.get(name) {
                provider.keys.clone_from(&new.keys);
            }
        }
        config.qdrant.api_key.clone_from(&new.qdrant.api_key);
        let mut elsewhere = Vec::new();
        for (name, address) in ADDRESSES {
            let (own, new) = (address(&mut config), address(&mut new));
            if place(own.as_ref()) == place(new.as_ref()) {
                own.clone_from(new);
            } else {
                elsewhere.push(name);
            }
        }
        let mut faults = Vec::new();
        config.check(&mut faults);
        if !faults.is_empty() {
            return Err(ConfigError(faults));
        }
        self.0.config.send_replace(Arc::new(config));
        Ok(elsewhere)
    }

    /// What can change while a process runs. A provider cannot come into being, and an address cannot lead elsewhere.
    fn is_key(&self, setting: &str, elsewhere: &[&str]) -> bool {
        let mut parts = setting.splitn(4, '.');
        setting == "qdrant.api_key"
            || ADDRESSES.iter().any(|(address, _)| *address == setting && !elsewhere.contains(address))
            || (parts.next() == Some("providers")
                && parts.next().is_some_and(|name| self.now().providers.contains_key(name))
                && parts.next() == Some("keys"))
    }
}

/// Where an address leads, whoever calls.
fn place(address: Option<&SecretString>) -> Option<String> {
    let address = address?.expose_secret();
    let Ok(mut url) = address.parse::<Url>() else { return Some(address.to_owned()) };
    let query: Vec<_> =
        url.query_pairs().into_owned().filter(|(name, _)| !CALLER_IN_QUERY.contains(&&**name)).collect();
    // An address without a host has no place for a user, and so none to lose.
    _ = url.set_username("");
    _ = url.set_password(None);
    url.query_pairs_mut().clear().extend_pairs(query);
    Some(url.into())
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
        let at = |address: &str| place(Some(&SecretString::from(address)));
        for (one, other) in [
            ("postgres://a:1@h/d", "postgres://b:2@h/d"),
            ("postgres://a@%2Frun%2Fpg/d?sslmode=require", "postgres://b:2@%2Frun%2Fpg/d?sslmode=require"),
            ("postgres:///d?host=/run/pg&user=a&password=1", "postgres:///d?host=/run/pg&user=b&password=2"),
            ("redis+unix://a:1@localhost/s?user=a&pass=1", "redis+unix://b:2@localhost/s?user=b&pass=2"),
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
            "redis://a:1@h:5432/d?sslmode=require",
            "no address",
        ] {
            assert_ne!(at(here), at(elsewhere), "{elsewhere}");
        }
        assert_ne!(at(here), place(None));
    }
}
