//! Who speaks replies aloud, and what is kept of it.

use std::time::Duration;

use serde::Deserialize;

use super::{
    Provider, Providers, duration, optional_text,
    providers::{check_link, is_voice_name, links},
};
use crate::model::providers::Link;

/// The provider of this machine's own voice, where it has one.
pub const LOCAL_VOICE: &str = "local_voice";

#[derive(Debug, Clone, Deserialize)]
pub struct Speech {
    #[serde(deserialize_with = "links")]
    pub chain: Vec<Link>,
    #[serde(deserialize_with = "optional_text")]
    pub voice: Option<String>,
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    pub cache_bytes: u64,
    #[serde(deserialize_with = "duration")]
    pub cache_kept: Duration,
}

/// A voice of a provider, written `provider/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voice {
    pub provider: String,
    pub name: String,
}

impl Voice {
    pub fn parse(text: &str) -> Option<Self> {
        let (provider, name) = text.split_once('/')?;
        let sound = crate::model::providers::is_alias(provider) && is_voice_name(name);
        sound.then(|| Self { provider: provider.to_owned(), name: name.to_owned() })
    }
}

impl std::fmt::Display for Voice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.provider, self.name)
    }
}

impl Speech {
    /// The providers that speak, in the order in which they are asked.
    pub fn chain(&self, providers: &Providers) -> Vec<Link> {
        if !self.chain.is_empty() {
            return self.chain.clone();
        }
        let speaks =
            |name: &&String| providers.get(*name).is_some_and(|provider| provider.is_set_up() && provider.speaks());
        let mut names: Vec<_> = providers.keys().filter(speaks).collect();
        // It costs nothing, and what is said stays here.
        names.sort_by_key(|name| *name != LOCAL_VOICE);
        let link = |name: &String| Link { provider: name.clone(), key: None, model: None };
        names.into_iter().map(link).collect()
    }

    /// All that can be chosen: those of the chain, in its order.
    pub fn voices(&self, providers: &Providers) -> Vec<Voice> {
        let named = |link: Link| {
            let voices = providers.get(&link.provider).map(|provider| provider.voices.clone()).unwrap_or_default();
            voices.into_iter().map(move |name| Voice { provider: link.provider.clone(), name })
        };
        let mut voices = Vec::new();
        for voice in self.chain(providers).into_iter().flat_map(named) {
            if !voices.contains(&voice) {
                voices.push(voice);
            }
        }
        voices
    }

    /// The voice of personas that have none, or one that is not there any more.
    pub fn default_voice(&self, providers: &Providers) -> Option<Voice> {
        self.voice.as_deref().and_then(Voice::parse).or_else(|| self.voices(providers).into_iter().next())
    }

    /// The voice that speaks where this one is wanted.
    pub fn voice(&self, providers: &Providers, wanted: Option<&str>) -> Option<Voice> {
        let wanted = wanted.and_then(Voice::parse).filter(|voice| self.voices(providers).contains(voice));
        wanted.or_else(|| self.default_voice(providers))
    }

    pub(super) fn check(&self, providers: &Providers, rule: &mut impl FnMut(bool, &str, &str)) {
        for link in &self.chain {
            let unknown = check_link(providers, link).err();
            rule(unknown.is_none(), "speech.chain", &unknown.map(|unknown| unknown.to_string()).unwrap_or_default());
            let speaks = providers.get(&link.provider).is_none_or(Provider::speaks);
            rule(speaks, "speech.chain", &format!("'{link}' does not speak: it has no speech_model"));
        }
        if let Some(voice) = &self.voice {
            let known = Voice::parse(voice).is_some_and(|voice| self.voices(providers).contains(&voice));
            rule(known, "speech.voice", "must be one of the chain's voices, such as openai/alloy");
        }
        rule(!self.timeout.is_zero(), "speech.timeout", "must be longer than nothing");
        rule(self.cache_bytes >= 1_048_576, "speech.cache_bytes", "must be at least 1048576 (1 MiB)");
        rule(self.cache_kept >= Duration::from_mins(1), "speech.cache_kept", "must be at least 1m");
    }
}
