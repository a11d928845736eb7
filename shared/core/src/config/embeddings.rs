//! The embedder and the vector store.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::{
    Format, HOLDS_A_SECRET, Providers, duration, holds_no_secret, optional_secret, optional_url, public_address,
};

/// The built-in embedder.
const LEXICAL: &str = "lexical";

/// Well-known models and the dimension of their vectors.
const KNOWN: [(&str, usize); 3] =
    [("text-embedding-3-small", 1536), ("text-embedding-3-large", 3072), ("text-embedding-ada-002", 1536)];

/// With the prefix, the dimension and a number it must be a valid name in Qdrant.
const MAX_MODEL_CHARS: usize = 150;

const MAX_PREFIX_CHARS: usize = 500;

/// Qdrant's own limit, and enough for any model.
const LARGEST_DIMENSION: usize = 65_536;

#[derive(Debug, Clone, Deserialize)]
pub struct Embeddings {
    pub provider: String,
    pub model: String,
    pub dimension: usize,
    pub query_prefix: String,
    pub passage_prefix: String,
    pub batch: usize,
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    #[serde(deserialize_with = "duration")]
    pub look_interval: Duration,
    #[serde(deserialize_with = "duration")]
    pub check_interval: Duration,
    #[serde(deserialize_with = "duration")]
    pub retry_base: Duration,
    #[serde(deserialize_with = "duration")]
    pub retry_cap: Duration,
    pub breaker_failures: u32,
    #[serde(deserialize_with = "duration")]
    pub breaker_pause: Duration,
    #[serde(deserialize_with = "duration")]
    pub breaker_cap: Duration,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Qdrant {
    #[serde(deserialize_with = "optional_url")]
    pub url: Option<Url>,
    #[serde(deserialize_with = "optional_secret")]
    pub api_key: Option<SecretString>,
    pub prefix: String,
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    pub breaker_failures: u32,
    #[serde(deserialize_with = "duration")]
    pub breaker_pause: Duration,
    #[serde(deserialize_with = "duration")]
    pub breaker_cap: Duration,
}

/// An embedding service, and its parameters.
#[derive(Debug, Clone)]
pub struct EmbeddingService {
    pub base_url: String,
    pub key: Option<SecretString>,
    pub model: String,
    pub dimension: usize,
    /// Whether to request a smaller dimension than the model's own.
    pub shortened: bool,
    pub query_prefix: String,
    pub passage_prefix: String,
}

impl Embeddings {
    /// Whether the built-in embedder is used.
    pub fn is_built_in(&self) -> bool {
        self.provider == LEXICAL
    }

    /// The service to call; `None` for the built-in embedder.
    pub fn service(&self, providers: &Providers) -> Option<EmbeddingService> {
        if self.is_built_in() {
            return None;
        }
        let provider = providers.get(&self.provider)?;
        let natural = KNOWN.iter().find(|(model, _)| *model == self.model).map(|(_, dimension)| *dimension);
        let dimension = if self.dimension > 0 { self.dimension } else { natural? };
        let base_url = provider.base_url.as_ref().map(Url::as_str).or_else(|| public_address(&self.provider))?;
        Some(EmbeddingService {
            base_url: base_url.to_owned(),
            key: provider.keys.values().next().cloned(),
            model: self.model.clone(),
            dimension,
            shortened: natural.is_some_and(|natural| natural != dimension),
            query_prefix: self.query_prefix.clone(),
            passage_prefix: self.passage_prefix.clone(),
        })
    }

    /// Validates each setting.
    pub(super) fn check(&self, providers: &Providers, rule: &mut impl FnMut(bool, &str, &str)) {
        rule((1..=2048).contains(&self.batch), "embeddings.batch", "must be 1 to 2048");
        rule(!self.timeout.is_zero(), "embeddings.timeout", "must be longer than nothing");
        rule(self.look_interval >= Duration::from_millis(50), "embeddings.look_interval", "must be at least 50ms");
        rule(self.check_interval >= Duration::from_millis(100), "embeddings.check_interval", "must be at least 100ms");
        rule(
            self.retry_cap >= self.retry_base && !self.retry_base.is_zero(),
            "embeddings.retry_cap",
            "must not be shorter than embeddings.retry_base, which must be longer than nothing",
        );
        rule(self.breaker_failures > 0, "embeddings.breaker_failures", "must be at least 1");
        rule(
            self.breaker_cap >= self.breaker_pause,
            "embeddings.breaker_cap",
            "must not be shorter than embeddings.breaker_pause",
        );
        let longest = self.query_prefix.chars().count().max(self.passage_prefix.chars().count());
        rule(
            longest <= MAX_PREFIX_CHARS,
            "embeddings.query_prefix",
            "and passage_prefix must be at most 500 characters",
        );
        if self.is_built_in() {
            rule(self.model.is_empty(), "embeddings.model", "must be empty: the built-in embedder has one model");
            rule(self.dimension == 0, "embeddings.dimension", "must be 0: the built-in embedder's is what it is");
            return;
        }
        let format = providers.get(&self.provider).map(|provider| provider.format);
        rule(
            format == Some(Format::Openai),
            "embeddings.provider",
            "must be 'lexical', or a provider below whose format is openai",
        );
        rule(
            (1..=MAX_MODEL_CHARS).contains(&self.model.chars().count()),
            "embeddings.model",
            "must be set: which of the provider's models embeds, in at most 150 characters",
        );
        let known = KNOWN.iter().any(|(model, _)| *model == self.model);
        rule(
            (known && self.dimension == 0) || (1..=LARGEST_DIMENSION).contains(&self.dimension),
            "embeddings.dimension",
            "must be set: how many numbers a vector of this model has is not known here",
        );
    }
}

impl Qdrant {
    pub(super) fn check(&self, rule: &mut impl FnMut(bool, &str, &str)) {
        let scheme = self.url.as_ref().is_none_or(|url| ["http", "https"].contains(&url.scheme()));
        rule(scheme, "qdrant.url", "must begin with http:// or https://");
        rule(self.url.as_ref().is_none_or(holds_no_secret), "qdrant.url", HOLDS_A_SECRET);
        rule(
            (1..=50).contains(&self.prefix.len())
                && self.prefix.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)),
            "qdrant.prefix",
            "must be 1 to 50 letters, digits, '-' or '_'",
        );
        rule(!self.timeout.is_zero(), "qdrant.timeout", "must be longer than nothing");
        rule(self.breaker_failures > 0, "qdrant.breaker_failures", "must be at least 1");
        rule(
            self.breaker_cap >= self.breaker_pause,
            "qdrant.breaker_cap",
            "must not be shorter than qdrant.breaker_pause",
        );
        // The client would quote it in its error.
        let key = self.api_key.as_ref().map_or("", ExposeSecret::expose_secret);
        rule(
            key.bytes().all(|byte| byte.is_ascii_graphic()),
            "qdrant.api_key",
            "must be one line of ASCII letters, digits and signs",
        );
    }
}
