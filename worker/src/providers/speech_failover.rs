//! A sentence spoken by the first provider of the chain that can: what failures mean, breakers, prices and budgets are
//! those of replies. Breakers are this worker's own, apart from those of replies: a service may write and not speak.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout};
use troupe_core::{
    circuit_breaker::{Admission, CircuitBreaker, KeyAction},
    clock::Clock,
    config::{Config, Format, Live, Voice, public_address},
    metrics::ObserveTime,
    model::{
        Usage,
        providers::{Link, Outcome},
    },
    wav::Wav,
};

use super::{
    failure::{FailoverTarget, Failure, consequence},
    formats::{elevenlabs::ElevenLabsSpeech, http, openai_speech::OpenAiSpeech, speechify::SpeechifySpeech},
    speech_model::{SpeechModel, Utterance},
};
use crate::{
    metrics::{CallLabels, ProviderLabel, SPEECH},
    money::{Money, NotReserved, Spender},
};

/// A service that wants to be left alone for longer is of no use to somebody who waits.
const MAX_PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct SpeechFailover {
    live: Live,
    client: reqwest::Client,
    money: Arc<Money>,
    clock: Arc<dyn Clock>,
    /// By endpoint.
    breakers: Mutex<HashMap<String, KeyBreaker>>,
}

/// A breaker, and the key that it is of: another key under the same alias begins anew.
struct KeyBreaker {
    key: Option<SecretString>,
    breaker: Arc<CircuitBreaker>,
}

/// No provider has spoken.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Unspoken {
    #[error("nothing speaks here")]
    NoProvider,
    #[error("{0}")]
    Budget(#[from] NotReserved),
    #[error("{message}")]
    Failed {
        message: String,
        /// Whether another attempt may help, while somebody waits.
        retryable: bool,
    },
}

/// A provider with one of its keys, and the voice that it speaks with.
struct Candidate {
    /// As in chains: `openai#spare`.
    endpoint: String,
    provider: String,
    model: String,
    voice: String,
    key: Option<SecretString>,
    service: Box<dyn SpeechModel>,
}

impl SpeechFailover {
    pub(crate) fn new(live: Live, money: Arc<Money>, clock: Arc<dyn Clock>) -> reqwest::Result<Self> {
        let client = http::client(live.now().models.connect_timeout)?;
        Ok(Self { live, client, money, clock, breakers: Mutex::default() })
    }

    /// Enough for a call with each key.
    pub(crate) fn time_limit(&self) -> Duration {
        let config = self.live.now();
        let keys = |link: &Link| config.providers.get(&link.provider).map_or(1, |provider| provider.keys.len().max(1));
        let calls: usize = config.speech.chain(&config.providers).iter().map(keys).sum();
        config.speech.timeout * calls.max(1) as u32 + Duration::from_secs(5)
    }

    pub(crate) async fn speak(&self, spender: Spender<'_>, voice: &Voice, text: &str) -> Result<Wav, Unspoken> {
        let config = self.live.now();
        let candidates = self.candidates(&config, voice);
        let cost = |candidate: &Candidate| self.money.price_of(&candidate.provider, &candidate.model, characters(text));
        let max_cost = || candidates.iter().map(cost).fold(0.0, f64::max);
        let reservation = self.money.reserve(spender, max_cost).await?;
        let mut unspoken = Unspoken::NoProvider;
        let mut is_retryable = false;
        for candidate in &candidates {
            match self.ask(&config, candidate, text).await {
                Ok(wav) => {
                    self.money.record_spending(reservation, cost(candidate)).await;
                    return Ok(wav);
                }
                Err(failure) => {
                    let consequence = consequence(failure.outcome);
                    tracing::warn!(endpoint = candidate.endpoint, error = %failure, "a sentence was not spoken");
                    is_retryable |= consequence.retryable && failure.retry_after.is_none_or(|pause| pause <= MAX_PAUSE);
                    unspoken = Unspoken::Failed { message: failure.message, retryable: is_retryable };
                    // A call that is at fault may still suit another service: they take different texts and voices.
                    if consequence.failover == FailoverTarget::None && failure.outcome != Outcome::BadCall {
                        break;
                    }
                }
            }
        }
        self.money.record_spending(reservation, 0.0).await;
        Err(unspoken)
    }

    /// One call, if the circuit breaker admits it.
    async fn ask(&self, config: &Config, candidate: &Candidate, text: &str) -> Result<Wav, Failure> {
        let breaker = self.breaker(config, candidate);
        let now = self.clock.now();
        let probe = match breaker.admit(now) {
            Admission::Allowed => false,
            Admission::Probe => true,
            Admission::Denied { until } => {
                let retry_after = (until - now).to_std().ok();
                return Err(Failure { retry_after, ..Failure::new(Outcome::Failed, "its circuit breaker is open") });
            }
        };
        let began = Instant::now();
        let utterance = Utterance { text, voice: &candidate.voice, model: &candidate.model };
        let spoken = timeout(config.speech.timeout, candidate.service.speak(utterance)).await;
        let spoken = spoken.unwrap_or_else(|_| Err(Failure::new(Outcome::Silent, "it was silent for too long")));
        let outcome = spoken.as_ref().map_or_else(|failure| failure.outcome, |_| Outcome::Completed);
        let labels = CallLabels { provider: candidate.provider.clone(), outcome: outcome.name() };
        SPEECH.calls.get_or_create(&labels).observe_time(began.elapsed());
        match &spoken {
            Ok(_) => {
                let label = ProviderLabel { provider: candidate.provider.clone() };
                SPEECH.characters.get_or_create(&label).inc_by(text.chars().count() as u64);
                breaker.record_success(probe, self.clock.now());
            }
            Err(failure) => {
                let consequence = consequence(failure.outcome);
                if consequence.counts || consequence.key != KeyAction::Keep {
                    let opened = breaker.record_failure(&failure.for_breaker(), probe, self.clock.now());
                    if opened && consequence.key == KeyAction::DisableAndAlert {
                        tracing::error!(endpoint = candidate.endpoint, "a service that speaks does not accept its key");
                    }
                } else {
                    breaker.record_success(probe, self.clock.now());
                }
            }
        }
        spoken
    }

    fn breaker(&self, config: &Config, Candidate { endpoint, key, .. }: &Candidate) -> Arc<CircuitBreaker> {
        let secret = |key: &Option<SecretString>| key.as_ref().map(|key| key.expose_secret().to_owned());
        let new = || {
            let breaker = CircuitBreaker::new(&format!("{endpoint} speech"), (&config.models).into());
            KeyBreaker { key: key.clone(), breaker: Arc::new(breaker) }
        };
        let mut breakers = self.breakers.lock();
        let known = breakers.entry(endpoint.clone()).or_insert_with(new);
        if secret(&known.key) != secret(key) {
            *known = new();
        }
        known.breaker.clone()
    }

    /// The provider of the voice first, then the others with their first voices.
    fn candidates(&self, config: &Config, voice: &Voice) -> Vec<Candidate> {
        let mut links = config.speech.chain(&config.providers);
        links.sort_by_key(|link| link.provider != voice.provider);
        links.iter().flat_map(|link| self.of_link(config, link, voice)).collect()
    }

    /// One for each key.
    fn of_link(&self, config: &Config, link: &Link, voice: &Voice) -> Vec<Candidate> {
        let Some(provider) = config.providers.get(&link.provider).filter(|provider| provider.speaks()) else {
            return Vec::new();
        };
        let base = provider.base_url.as_ref().map(url::Url::as_str).or(public_address(&link.provider));
        let own = Some(&voice.name).filter(|_| voice.provider == link.provider);
        let (Some(base), Some(voice)) = (base, own.or(provider.voices.first())) else { return Vec::new() };
        let candidate = |alias: Option<&String>, key: Option<&SecretString>| {
            let client = self.client.clone();
            let service: Box<dyn SpeechModel> = match provider.format {
                Format::Elevenlabs => Box::new(ElevenLabsSpeech::new(client, base, key)),
                Format::Speechify => Box::new(SpeechifySpeech::new(client, base, key)),
                _ => Box::new(OpenAiSpeech::new(client, base, key)),
            };
            Candidate {
                endpoint: Link { provider: link.provider.clone(), key: alias.cloned(), model: None }.to_string(),
                provider: link.provider.clone(),
                model: link.model.clone().unwrap_or_else(|| provider.speech_model.clone()),
                voice: voice.clone(),
                key: key.cloned(),
                service,
            }
        };
        if provider.keys.is_empty() {
            return vec![candidate(None, None)];
        }
        let wanted = provider.keys.iter().filter(|(alias, _)| link.key.as_ref().is_none_or(|key| key == *alias));
        wanted.map(|(alias, key)| candidate(Some(alias), Some(key))).collect()
    }
}

/// Prices of what speaks are by the character, in the place of tokens of the prompt.
fn characters(text: &str) -> Usage {
    let count = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    Usage { prompt_tokens: count, completion_tokens: 0, estimated: false }
}
