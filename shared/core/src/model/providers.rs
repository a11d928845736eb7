//! Links of provider chains, and the results of calls.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Usage;

/// A link of a chain, written `provider`, `provider/model` or `provider#key/model`. Without a key it means all keys of
/// the provider, in their order; without a model the provider's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Link {
    pub provider: String,
    pub key: Option<String>,
    pub model: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a link like openai, openai/gpt-4.1-mini or openai#spare/gpt-4.1-mini")]
pub struct BadLink(String);

/// The provider in the trail of a reply from the cache: no provider was called.
pub const CACHE: &str = "cache";

/// Whether a list of providers (`openai`) and single models (`openai/gpt-4.1-mini`) includes this model.
pub fn is_among(models: &[String], provider: &str, model: &str) -> bool {
    models.iter().any(|allowed| match allowed.split_once('/') {
        Some(only) => only == (provider, model),
        None => allowed == provider,
    })
}

/// Whether it is a valid name of a provider or a key.
pub fn is_alias(name: &str) -> bool {
    (1..=40).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

impl FromStr for Link {
    type Err = BadLink;

    fn from_str(text: &str) -> Result<Self, BadLink> {
        let text = text.trim();
        let bad = || BadLink(text.to_owned());
        let (service, model) = match text.split_once('/') {
            Some((service, model)) => (service, Some(model)),
            None => (text, None),
        };
        let (provider, key) = match service.split_once('#') {
            Some((provider, key)) => (provider, Some(key)),
            None => (service, None),
        };
        let unseen = |letter: char| letter.is_whitespace() || letter.is_control();
        let sound = is_alias(provider)
            && key.is_none_or(is_alias)
            && model.is_none_or(|m| (1..=200).contains(&m.len()) && !m.contains(unseen));
        if !sound {
            return Err(bad());
        }
        Ok(Self { provider: provider.to_owned(), key: key.map(str::to_owned), model: model.map(str::to_owned) })
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.provider)?;
        if let Some(key) = &self.key {
            write!(f, "#{key}")?;
        }
        if let Some(model) = &self.model {
            write!(f, "/{model}")?;
        }
        Ok(())
    }
}

/// What happens to a reply whose provider fails after part of it was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum WhenCut {
    /// The text is reset, and the next provider starts over.
    #[default]
    Restart,
    /// The next provider continues the text if it can, and starts over otherwise.
    Continue,
    /// The reply ends there, marked as incomplete.
    Stop,
}

/// What happens to a message when today's budget for its reply is exhausted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum OverBudget {
    #[default]
    Fail,
    /// The built-in model replies.
    Offline,
}

/// Why a reply is incomplete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Incomplete {
    /// It reached the maximum length.
    Length,
    /// The provider withheld the rest.
    Filtered,
    /// The provider failed, and the persona keeps partial replies.
    Cut,
}

/// The outcome of a call of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Completed,
    /// The model declined; its text is the reply.
    Refused,
    /// The provider withheld its text.
    Filtered,
    /// The key is rate-limited: it rests.
    RateLimited,
    /// The key's account has no money left.
    OutOfMoney,
    /// The key is rejected.
    KeyRefused,
    NoSuchModel,
    /// The prompt is longer than the model's context.
    TooLong,
    /// The provider rejects the request.
    BadCall,
    /// The provider reports a failure of its own.
    Failed,
    /// No connection: DNS, network, TLS, or a timeout of these.
    Unreachable,
    /// The timeout of the first token.
    Silent,
    /// The timeout between two tokens.
    Stalled,
    /// The timeout of the whole reply.
    Endless,
    /// The stream was cut off.
    Cut,
    /// The response cannot be parsed.
    Malformed,
    /// An end without text.
    Empty,
    /// A hedged call of another provider was faster.
    Outrun,
    /// Stopped by us: cancelled, superseded or handed back.
    Abandoned,
}

impl Outcome {
    /// The name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Refused => "refused",
            Self::Filtered => "filtered",
            Self::RateLimited => "rate_limited",
            Self::OutOfMoney => "out_of_money",
            Self::KeyRefused => "key_refused",
            Self::NoSuchModel => "no_such_model",
            Self::TooLong => "too_long",
            Self::BadCall => "bad_call",
            Self::Failed => "failed",
            Self::Unreachable => "unreachable",
            Self::Silent => "silent",
            Self::Stalled => "stalled",
            Self::Endless => "endless",
            Self::Cut => "cut",
            Self::Malformed => "malformed",
            Self::Empty => "empty",
            Self::Outrun => "outrun",
            Self::Abandoned => "abandoned",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One call of a provider for a reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Try {
    #[schema(example = "openai")]
    pub provider: String,
    /// The key's alias; null where the provider needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[schema(example = "gpt-4.1-mini")]
    pub model: String,
    pub outcome: Outcome,
    /// From the call to the first token, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_word_ms: Option<u32>,
    /// From the call to its end, in milliseconds.
    pub ms: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// By the prices at that time.
    pub cost: f64,
    /// It was hedged: the call before was slow.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hedge: bool,
}

/// A pause of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rest {
    pub since: DateTime<Utc>,
    /// When it may be called again; only by one probe first, unless it is known to be healthy then.
    pub until: DateTime<Utc>,
    pub why: Outcome,
    /// The number of consecutive rests, including this one: each is longer.
    pub pauses: u32,
}

/// The last health check: whether a provider answers and accepts a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Check {
    #[serde(skip)]
    pub provider: String,
    #[serde(skip)]
    pub key: Option<String>,
    /// Null before the first.
    pub checked_at: Option<DateTime<Utc>>,
    /// `completed` if healthy.
    #[schema(example = "completed")]
    pub outcome: Option<String>,
    /// The provider's message.
    pub detail: Option<String>,
    pub ms: Option<i32>,
    pub next_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_models_allows_providers_and_single_models() {
        let models = ["offline", "openai/gpt-4.1-mini", "vllm/meta-llama/Llama-3"].map(str::to_owned);
        let among = |provider, model| is_among(&models, provider, model);
        assert!(among("offline", "any") && among("openai", "gpt-4.1-mini") && among("vllm", "meta-llama/Llama-3"));
        assert!(!among("openai", "gpt-4.1") && !among("vllm", "meta-llama") && !among("off", "line"));
        assert!(!is_among(&[], "offline", "offline"));
    }

    #[test]
    fn a_link_says_provider_key_and_model() {
        for text in ["openai", "openai/gpt-4.1-mini", "openai#spare", "vllm#a/meta-llama/Llama-3:8b"] {
            assert_eq!(text.parse::<Link>().unwrap().to_string(), text);
        }
        let link: Link = " vllm#a/meta-llama/Llama-3 ".parse().unwrap();
        assert_eq!((link.key.as_deref(), link.model.as_deref()), (Some("a"), Some("meta-llama/Llama-3")));
        for bad in ["", "/gpt", "openai#/gpt", "openai/", "Open AI/x", "openai/a b", "openai/a\0"] {
            assert!(bad.parse::<Link>().is_err(), "{bad}");
        }
    }
}
