//! The endpoints: each provider with each of its keys, and the candidates that the links of a chain resolve to.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Context;
use parking_lot::RwLock;
use secrecy::{ExposeSecret, SecretString};
use troupe_core::{
    circuit_breaker::CircuitBreaker,
    config::{self, Format, public_address},
    model::providers::{Link, is_among},
};

use super::first_token_latency::FirstTokenLatency;
use crate::providers::{
    chat_model::ChatModel,
    formats::{
        anthropic::AnthropicChatModel, http, json::JsonChatModel, offline::OfflineChatModel, openai::OpenAiChatModel,
        time_limits::WithTimeLimits,
    },
    small_model::SmallModel,
};

/// A provider with one of its keys.
pub(crate) struct Endpoint {
    /// The name everywhere: `openai#spare`, or `gpu` where there is no key.
    pub(crate) name: String,
    pub(crate) provider: String,
    /// The key's alias.
    pub(crate) key: Option<String>,
    /// For links without a model.
    pub(crate) default_model: String,
    /// Whether it can continue another provider's partial text.
    pub(super) accepts_prefill: bool,
    /// Identifies the key under its alias, which may get another key.
    secret: Option<SecretString>,
    pub(crate) model: Box<dyn ChatModel>,
    pub(super) breaker: CircuitBreaker,
    pub(super) first_token_latency: FirstTokenLatency,
}

/// An endpoint and a model that may be called for a reply.
#[derive(Clone)]
pub(crate) struct Candidate {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) model: String,
}

impl Candidate {
    fn is_among(&self, models: &[String]) -> bool {
        is_among(models, &self.endpoint.provider, &self.model)
    }
}

pub(crate) struct Roster {
    client: reqwest::Client,
    current: RwLock<Arc<Configured>>,
}

/// The endpoints and the default chain of one configuration.
#[derive(Default)]
struct Configured {
    endpoints: Vec<Arc<Endpoint>>,
    default_chain: Vec<Link>,
}

impl Roster {
    pub(crate) fn from_config(config: &config::Config) -> anyhow::Result<Self> {
        let client = http::client(config.models.connect_timeout).context("set up the client for model services")?;
        let roster = Self { client, current: RwLock::default() };
        roster.reload(config, |_| ());
        Ok(roster)
    }

    /// Switches to the configuration's keys, after `is_new` has seen each new endpoint. Calls in flight keep the old
    /// ones.
    pub(super) fn reload(&self, config: &config::Config, mut is_new: impl FnMut(&Endpoint)) {
        let old = self.current();
        let endpoints = config
            .providers
            .iter()
            .filter(|(_, provider)| provider.writes())
            .flat_map(|(name, provider)| endpoints(name, provider, config, &self.client));
        let old_or_new = |endpoint: Arc<Endpoint>| {
            if let Some(old) = old.endpoints.iter().find(|old| old.is_same(&endpoint)) {
                return old.clone();
            }
            is_new(&endpoint);
            endpoint
        };
        let endpoints = endpoints.map(old_or_new).collect();
        let default_chain = config.models.default_chain(&config.providers);
        *self.current.write() = Arc::new(Configured { endpoints, default_chain });
    }

    fn current(&self) -> Arc<Configured> {
        self.current.read().clone()
    }

    /// As configured.
    pub(crate) fn default_chain(&self) -> String {
        self.current().default_chain.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        self.current().endpoints.clone()
    }

    /// Whether its key is in use: results of a replaced key say nothing about the new one.
    pub(super) fn is_current(&self, endpoint: &Endpoint) -> bool {
        self.current().endpoints.iter().any(|current| std::ptr::eq(&raw const **current, endpoint))
    }

    /// The candidates of a chain, in its order, that are among the `allowed`; those of the default chain if there are
    /// none, or no chain. `model` is for links without one, of the chain's first provider.
    pub(crate) fn candidates(
        &self,
        chain: Option<&[String]>,
        model: Option<&str>,
        allowed: Option<&[String]>,
    ) -> Vec<Candidate> {
        let links: Vec<Link> = chain.unwrap_or_default().iter().filter_map(|link| link.parse().ok()).collect();
        let current = self.current();
        let allow = |candidates: Vec<Candidate>| match allowed {
            Some(allowed) => candidates.into_iter().filter(|candidate| candidate.is_among(allowed)).collect(),
            None => candidates,
        };
        let candidates = allow(current.resolve(&links, model));
        if candidates.is_empty() {
            if !links.is_empty() {
                tracing::warn!(
                    ?chain,
                    ?allowed,
                    "no link of this chain is configured here and allowed: falling back to the default chain"
                );
            }
            return allow(current.resolve(&current.default_chain, model));
        }
        candidates
    }
}

impl Endpoint {
    /// The same key of the same provider.
    fn is_same(&self, other: &Self) -> bool {
        let secret = |endpoint: &Self| endpoint.secret.as_ref().map(|secret| secret.expose_secret().to_owned());
        self.name == other.name && secret(self) == secret(other)
    }
}

impl Configured {
    fn resolve(&self, links: &[Link], model: Option<&str>) -> Vec<Candidate> {
        let first = links.first().map(|link| link.provider.as_str());
        let of_link = |link: &Link| {
            let model = link.model.as_deref().or(model.filter(|_| first == Some(link.provider.as_str())));
            let matching = self.endpoints.iter().filter({
                let link = link.clone();
                move |endpoint| endpoint.provider == link.provider && (link.key.is_none() || endpoint.key == link.key)
            });
            let candidate = |endpoint: &Arc<Endpoint>| Candidate {
                endpoint: endpoint.clone(),
                model: model.unwrap_or(&endpoint.default_model).to_owned(),
            };
            matching.map(candidate).collect::<Vec<_>>()
        };
        links.iter().flat_map(of_link).collect()
    }
}

/// One endpoint per key; one without a key if none is set and none is needed.
fn endpoints(
    name: &str,
    provider: &config::Provider,
    config: &config::Config,
    client: &reqwest::Client,
) -> Vec<Arc<Endpoint>> {
    let base = provider.base_url.as_ref().map(url::Url::as_str).or(public_address(name)).unwrap_or_default();
    let mut keys: BTreeMap<_, _> = provider.keys.iter().map(|(alias, key)| (Some(alias.clone()), Some(key))).collect();
    if keys.is_empty() && (provider.base_url.is_some() || provider.format == Format::Offline) {
        keys.insert(None, None);
    }
    let limits = (&config.models).into();
    let model = |key| -> Box<dyn ChatModel> {
        let client = client.clone();
        let model: Box<dyn ChatModel> = match provider.format {
            Format::Openai => Box::new(WithTimeLimits::new(OpenAiChatModel::new(client, base, key), limits)),
            Format::Anthropic => Box::new(WithTimeLimits::new(AnthropicChatModel::new(client, base, key), limits)),
            Format::Json => Box::new(WithTimeLimits::new(JsonChatModel::new(client, base, key), limits)),
            // The last two write nothing, and have been left out before.
            Format::Offline | Format::Elevenlabs | Format::Speechify => {
                Box::new(OfflineChatModel::new(config.models.offline_word_interval))
            }
        };
        if provider.small { Box::new(SmallModel(model)) } else { model }
    };
    let endpoint = |(alias, key): (Option<String>, _)| {
        let endpoint = Link { provider: name.to_owned(), key: alias.clone(), model: None }.to_string();
        Endpoint {
            breaker: CircuitBreaker::new(&endpoint, (&config.models).into()),
            name: endpoint,
            provider: name.to_owned(),
            key: alias,
            default_model: provider.model.clone(),
            secret: Option::<&SecretString>::cloned(key),
            accepts_prefill: provider.continues.unwrap_or(provider.format == Format::Anthropic),
            model: model(key),
            first_token_latency: FirstTokenLatency::default(),
        }
    };
    keys.into_iter().map(endpoint).map(Arc::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roster(variables: &[(&str, &str)]) -> Roster {
        troupe_core::lifecycle::install_tls();
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Roster::from_config(&config::Config::from_sources(None, variables).unwrap()).unwrap()
    }

    fn named(candidates: &[Candidate]) -> Vec<String> {
        candidates.iter().map(|candidate| format!("{}/{}", candidate.endpoint.name, candidate.model)).collect()
    }

    #[test]
    fn a_chain_means_every_key_that_it_does_not_name() {
        let roster = roster(&[
            ("OPENAI_API_KEY", "a"),
            ("TROUPE_PROVIDERS__OPENAI__KEYS__SPARE", "b"),
            ("ANTHROPIC_API_KEY", "c"),
            ("TROUPE_MODELS__CHAIN", "openai#spare/large, anthropic, openai"),
        ]);
        let default = roster.candidates(None, None, None);
        assert_eq!(
            named(&default),
            [
                "openai#spare/large",
                "anthropic#default/claude-haiku-4-5",
                "openai#default/gpt-4.1-mini",
                "openai#spare/gpt-4.1-mini"
            ]
        );
        let chain = ["anthropic".to_owned(), "offline".to_owned()];
        assert_eq!(
            named(&roster.candidates(Some(&chain), Some("opus"), None)),
            ["anthropic#default/opus", "offline/offline"]
        );
        let gone = ["gone/away".to_owned()];
        assert_eq!(named(&roster.candidates(Some(&gone), None, None)), named(&default));
    }

    #[test]
    fn whom_the_tier_does_not_allow_is_passed_over() {
        let roster = roster(&[
            ("OPENAI_API_KEY", "a"),
            ("ANTHROPIC_API_KEY", "c"),
            ("TROUPE_MODELS__CHAIN", "openai/large, openai, offline"),
        ]);
        let list = |links: &[&str]| links.iter().map(|link| (*link).to_owned()).collect::<Vec<_>>();
        let small = list(&["openai/gpt-4.1-mini", "offline"]);
        let chain = list(&["anthropic/opus", "openai"]);
        assert_eq!(named(&roster.candidates(Some(&chain), None, Some(&small))), ["openai#default/gpt-4.1-mini"]);
        // A model that the persona sets is another one.
        let set = roster.candidates(Some(&list(&["openai"])), Some("large"), Some(&small));
        assert_eq!(named(&set), ["offline/offline"], "the default chain, as far as it is allowed");
        let default = roster.candidates(None, None, Some(&small));
        assert_eq!(named(&default), ["openai#default/gpt-4.1-mini", "offline/offline"]);
        assert!(roster.candidates(Some(&chain), None, Some(&list(&["xai"]))).is_empty());
    }
}
