//! Who speaks: links of a chain, and what came of each try.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Usage;

/// One link of a chain, written `provider`, `provider/model` or `provider#key/model`. Without a key all keys of the
/// provider are meant, in their order; without a model the provider's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Link {
    pub provider: String,
    pub key: Option<String>,
    pub model: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a link like openai, openai/gpt-4.1-mini or openai#spare/gpt-4.1-mini")]
pub struct BadLink(String);

/// Stands for the provider in the try of a reply that was given before: nobody was asked.
pub const CACHE: &str = "cache";

/// Whether a list of providers (`openai`) and single models (`openai/gpt-4.1-mini`) has this one in it.
pub fn is_among(models: &[String], provider: &str, model: &str) -> bool {
    models.iter().any(|allowed| match allowed.split_once('/') {
        Some(only) => only == (provider, model),
        None => allowed == provider,
    })
}

/// Whether it can name a provider or a key.
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

/// What happens to a reply whose provider fails after some of it was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum WhenCut {
    /// The text is taken back, and the next provider begins anew.
    #[default]
    Restart,
    /// The next provider goes on where the text ends, if it can; otherwise it begins anew.
    Continue,
    /// The reply ends there, and is marked as incomplete.
    Stop,
}

/// What happens to a message for whose reply there is no money left today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum OverBudget {
    #[default]
    Fail,
    /// The built-in model answers.
    Offline,
}

/// Why a reply that came is not all that the model would have said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Incomplete {
    /// It came to the most that a reply may have.
    Length,
    /// The provider withheld the rest.
    Filtered,
    /// The provider failed, and the persona is set to leave it at that.
    Cut,
}

/// What came of asking a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Completed,
    /// The model declined; what it said of it is the reply.
    Refused,
    /// The provider withheld its text.
    Filtered,
    /// The key is used too much: it rests.
    RateLimited,
    /// There is no money behind the key.
    OutOfMoney,
    /// The key is not accepted.
    KeyRefused,
    NoSuchModel,
    /// The prompt is longer than the model takes.
    TooLong,
    /// The provider finds fault with the call itself.
    BadCall,
    /// The provider says that it failed.
    Failed,
    /// No connection: name, network, TLS, or the time for it.
    Unreachable,
    /// No first word in time.
    Silent,
    /// No next word in time.
    Stalled,
    /// Words without an end.
    Endless,
    /// The stream broke off.
    Cut,
    /// What came cannot be read.
    Malformed,
    /// An end without a word.
    Empty,
    /// Another provider, asked as well, spoke first.
    Outrun,
    /// Stopped by us: cancelled, overtaken or handed back.
    Abandoned,
}

impl fmt::Display for Outcome {
    /// As in JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// One call of a provider for a reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Try {
    #[schema(example = "openai")]
    pub provider: String,
    /// The key's alias; nothing where the provider needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[schema(example = "gpt-4.1-mini")]
    pub model: String,
    pub outcome: Outcome,
    /// From the call to the first word, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_word_ms: Option<u32>,
    /// From the call to its end, in milliseconds.
    pub ms: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// By the prices of then.
    pub cost: f64,
    /// It was asked because the one before was slow.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hedge: bool,
}

/// A key that is not asked for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rest {
    pub since: DateTime<Utc>,
    /// When it may be asked again; by one call first, where it is not known to be well then.
    pub until: DateTime<Utc>,
    pub why: Outcome,
    /// Rests in a row, this one among them: each is longer.
    pub pauses: u32,
}

/// Whether a provider answers and takes a key, as it was found last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Check {
    #[serde(skip)]
    pub provider: String,
    #[serde(skip)]
    pub key: Option<String>,
    /// Nothing before the first.
    pub checked_at: Option<DateTime<Utc>>,
    /// `completed` where all was well.
    #[schema(example = "completed")]
    pub outcome: Option<String>,
    /// What the provider said of it.
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
