//! Providers, their keys, and the default chain.

use std::{collections::BTreeMap, time::Duration};

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use toml::Value;
use url::{Host, Url};

use super::{Config, HOLDS_A_SECRET, duration, holds_no_secret, optional_url, secret_text};
use crate::model::providers::{CACHE, Link, is_alias};

/// The built-in provider.
pub const OFFLINE: &str = "offline";

/// Providers with a well-known address, in the order of the default chains.
const PUBLIC: [(&str, &str); 5] = [
    ("openai", "https://api.openai.com/v1"),
    ("anthropic", "https://api.anthropic.com"),
    ("xai", "https://api.x.ai/v1"),
    ("elevenlabs", "https://api.elevenlabs.io/v1"),
    ("speechify", "https://api.sws.speechify.com/v1"),
];

#[derive(Debug, Clone, Deserialize)]
pub struct Models {
    #[serde(deserialize_with = "links")]
    pub chain: Vec<Link>,
    pub offline_last: bool,
    /// Empty: all.
    #[serde(deserialize_with = "links")]
    pub allowed: Vec<Link>,
    pub daily_budget: f64,
    pub max_reply_tokens: u32,
    #[serde(deserialize_with = "duration")]
    pub connect_timeout: Duration,
    #[serde(deserialize_with = "duration")]
    pub first_token_timeout: Duration,
    #[serde(deserialize_with = "duration")]
    pub token_gap_timeout: Duration,
    #[serde(deserialize_with = "duration")]
    pub reply_timeout: Duration,
    pub breaker_failures: u32,
    #[serde(deserialize_with = "duration")]
    pub breaker_pause: Duration,
    #[serde(deserialize_with = "duration")]
    pub breaker_cap: Duration,
    #[serde(deserialize_with = "duration")]
    pub rate_limit_cap: Duration,
    #[serde(deserialize_with = "duration")]
    pub key_out: Duration,
    #[serde(deserialize_with = "duration")]
    pub check_interval: Duration,
    #[serde(deserialize_with = "duration")]
    pub check_interval_failing: Duration,
    pub retry_share: f64,
    pub hedge_share: f64,
    #[serde(deserialize_with = "duration")]
    pub prices_refresh: Duration,
    #[serde(deserialize_with = "duration")]
    pub offline_word_interval: Duration,
}

/// The wire format of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    Openai,
    Anthropic,
    Json,
    Offline,
    /// Speaks, and writes no replies.
    Elevenlabs,
    /// The same.
    Speechify,
}

impl Format {
    /// Whether its services write replies.
    const fn writes(self) -> bool {
        matches!(self, Self::Openai | Self::Anthropic | Self::Json | Self::Offline)
    }

    /// Whether its services may speak.
    const fn speaks(self) -> bool {
        matches!(self, Self::Openai | Self::Elevenlabs | Self::Speechify)
    }
}

#[derive(Debug, Clone, Deserialize)]
pub struct Provider {
    pub format: Format,
    #[serde(deserialize_with = "optional_url")]
    pub base_url: Option<Url>,
    pub model: String,
    #[serde(deserialize_with = "yes_or_no")]
    pub continues: Option<bool>,
    /// Whether its models are very small.
    #[serde(default)]
    pub small: bool,
    #[serde(default, deserialize_with = "keys")]
    pub keys: BTreeMap<String, SecretString>,
    /// The model that speaks; empty where none does.
    #[serde(default)]
    pub speech_model: String,
    /// What its voices are called there; the first is the default.
    #[serde(default, deserialize_with = "names")]
    pub voices: Vec<String>,
}

impl Provider {
    /// Whether it writes replies.
    pub fn writes(&self) -> bool {
        self.format.writes() && !self.model.is_empty()
    }

    /// Whether it can be asked to translate: the built-in model only quotes, and very small ones follow no
    /// instructions.
    pub fn translates(&self) -> bool {
        self.writes() && self.format != Format::Offline && !self.small
    }

    /// Whether it speaks.
    pub fn speaks(&self) -> bool {
        self.format.speaks() && !self.speech_model.is_empty()
    }

    /// Whether it has an address of its own, or a key for a public one.
    pub fn is_set_up(&self) -> bool {
        self.base_url.is_some() || !self.keys.is_empty()
    }
}

/// By name.
pub type Providers = BTreeMap<String, Provider>;

/// The well-known address of a provider.
pub fn public_address(provider: &str) -> Option<&'static str> {
    PUBLIC.iter().find(|(name, _)| *name == provider).map(|(_, address)| *address)
}

/// Who replies where neither tier nor persona has a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// A model service.
    Service,
    /// A model on this machine.
    Local,
    /// A very small model on this machine.
    SmallLocal,
    /// The built-in model, which only quotes.
    Offline,
}

impl Speaker {
    /// By the first link of the default chain.
    pub fn of(config: &Config) -> Self {
        let first = config.models.default_chain(&config.providers).into_iter().next();
        let Some(provider) = first.and_then(|link| config.providers.get(&link.provider)) else { return Self::Offline };
        let is_local = provider.base_url.as_ref().is_some_and(is_loopback);
        match provider.format {
            Format::Offline => Self::Offline,
            _ if is_local && provider.small => Self::SmallLocal,
            _ if is_local => Self::Local,
            _ => Self::Service,
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A link to an unknown provider or key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownLink {
    #[error("'{0}': there is no provider '{provider}'", provider = .0.provider)]
    Provider(Link),
    #[error("'{0}': '{provider}' has no key '{key}'", provider = .0.provider, key = .0.key.as_deref().unwrap_or_default())]
    Key(Link),
}

/// Whether there is such a provider, with such a key.
pub fn check_link(providers: &Providers, link: &Link) -> Result<(), UnknownLink> {
    let provider = providers.get(&link.provider).ok_or_else(|| UnknownLink::Provider(link.clone()))?;
    if link.key.as_ref().is_none_or(|key| provider.keys.contains_key(key)) {
        Ok(())
    } else {
        Err(UnknownLink::Key(link.clone()))
    }
}

impl Models {
    /// The links that are allowed where a tier does not restrict them; `None` for all.
    pub fn allowed_links(&self) -> Option<Vec<String>> {
        (!self.allowed.is_empty()).then(|| self.allowed.iter().map(ToString::to_string).collect())
    }

    /// The daily budget of each user without a user's budget.
    pub fn daily_budget(&self) -> Option<f64> {
        (self.daily_budget > 0.0).then_some(self.daily_budget)
    }

    /// The chain of replies where neither tier nor persona has one.
    pub fn default_chain(&self, providers: &Providers) -> Vec<Link> {
        let mut chain = if self.chain.is_empty() { Self::set_up(providers) } else { self.chain.clone() };
        if chain.is_empty() || (self.offline_last && chain.iter().all(|link| link.provider != OFFLINE)) {
            chain.push(Link { provider: OFFLINE.to_owned(), key: None, model: None });
        }
        chain
    }

    /// Each provider that has a key or an address.
    fn set_up(providers: &Providers) -> Vec<Link> {
        let known = PUBLIC.iter().map(|(name, _)| *name);
        let others = providers.keys().map(String::as_str).filter(|name| public_address(name).is_none());
        let set_up =
            |name: &&str| providers.get(*name).is_some_and(|provider| provider.writes() && provider.is_set_up());
        let link = |name: &str| Link { provider: name.to_owned(), key: None, model: None };
        known.chain(others).filter(set_up).map(link).collect()
    }

    /// Validates each setting.
    pub(super) fn check(&self, providers: &Providers, rule: &mut impl FnMut(bool, &str, &str)) {
        for link in &self.chain {
            let writes = providers.get(&link.provider).is_none_or(Provider::writes);
            rule(writes, "models.chain", &format!("'{link}' speaks, and writes no replies"));
            let unknown = check_link(providers, link).err();
            rule(unknown.is_none(), "models.chain", &unknown.map(|unknown| unknown.to_string()).unwrap_or_default());
        }
        for link in &self.allowed {
            let unknown = check_link(providers, link).err();
            rule(unknown.is_none(), "models.allowed", &unknown.map(|unknown| unknown.to_string()).unwrap_or_default());
            let keyless = link.key.is_none();
            rule(keyless, "models.allowed", &format!("'{link}' must not name a key: with any key it is the same"));
        }
        let sound = self.daily_budget.is_finite() && self.daily_budget >= 0.0;
        rule(sound, "models.daily_budget", "must not be negative");
        rule(self.max_reply_tokens > 0, "models.max_reply_tokens", "must be at least 1");
        rule(!self.prices_refresh.is_zero(), "models.prices_refresh", "must be longer than nothing");
        rule(self.breaker_failures > 0, "models.breaker_failures", "must be at least 1");
        rule(
            self.breaker_cap >= self.breaker_pause,
            "models.breaker_cap",
            "must not be shorter than models.breaker_pause",
        );
        for (interval, key) in [
            (self.check_interval, "models.check_interval"),
            (self.check_interval_failing, "models.check_interval_failing"),
        ] {
            rule(interval >= Duration::from_secs(1), key, "must be at least 1s");
        }
        for (share, key) in [(self.retry_share, "models.retry_share"), (self.hedge_share, "models.hedge_share")] {
            rule((0.0..=1.0).contains(&share), key, "must be from 0 to 1");
        }
        for (name, provider) in providers {
            let key = |setting: &str| format!("providers.{name}.{setting}");
            let sound = is_alias(name) && provider.keys.keys().all(|alias| is_alias(alias));
            rule(sound, &key("keys"), "names are lower-case letters, digits, '-' and '_', 40 at most");
            rule(name != CACHE, &format!("providers.{name}"), "this name stands for replies that were given before");
            let addressed =
                provider.base_url.is_some() || provider.format == Format::Offline || public_address(name).is_some();
            rule(addressed, &key("base_url"), "must be set: this provider has no public address");
            let plain = provider.base_url.as_ref().is_none_or(holds_no_secret);
            rule(plain, &key("base_url"), HOLDS_A_SECRET);
            rule(provider.writes() || provider.speaks(), &key("model"), "must be set");
            let speaks = provider.format.speaks() || provider.speech_model.is_empty();
            rule(speaks, &key("speech_model"), "only services of the formats openai, elevenlabs and speechify speak");
            let sound = provider.voices.iter().all(|voice| is_voice_name(voice));
            rule(sound, &key("voices"), "must be names of at most 100 letters, digits and signs");
            let voiced = provider.speech_model.is_empty() || !provider.voices.is_empty();
            rule(voiced, &key("voices"), "must name a voice at least");
        }
    }
}

pub(super) fn links<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Link>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let links = text.split(',').map(str::trim).filter(|link| !link.is_empty());
    links.map(|link| link.parse().map_err(D::Error::custom)).collect()
}

/// Names with commas between them.
fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// What services call their voices: a word, or an id.
pub(super) fn is_voice_name(name: &str) -> bool {
    (1..=100).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+()".contains(&b))
}

fn yes_or_no<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "" => Ok(None),
        "yes" => Ok(Some(true)),
        "no" => Ok(Some(false)),
        other => Err(D::Error::custom(format!("'{other}' is neither 'yes' nor 'no'"))),
    }
}

/// Keys by alias, without empty ones.
fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, SecretString>, D::Error> {
    let keys = BTreeMap::<String, Value>::deserialize(deserializer)?;
    let mut set = BTreeMap::new();
    for (alias, key) in keys {
        let key = secret_text(key)?;
        if !key.is_empty() {
            set.insert(alias, key.into());
        }
    }
    Ok(set)
}
