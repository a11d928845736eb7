//! Replies spoken aloud, sentence by sentence, while they are still being written ([ADR 28]).
//!
//! A listener asks for one sentence after the other. What is said is cut from the reply's text here ([`sentences`]);
//! the sound is made by a worker, unless it is kept from before ([`sound`]). Nothing of it has to survive: what is lost
//! is made again when it is asked for.
//!
//! [ADR 28]: ../../../docs/adr/0028-speech-is-asked-for-by-the-sentence.md

pub(crate) mod aloud;
mod follow;
pub(crate) mod routes;
mod sentences;
mod sound;

use std::sync::Arc;

use sqlx::PgPool;
use troupe_core::config::{Live, Voice};

use crate::{chat::Chat, http::error::ApiError};

pub(crate) struct Speech {
    pub(crate) pool: PgPool,
    pub(crate) chat: Arc<Chat>,
    pub(crate) configuration: Live,
}

impl Speech {
    /// All, in the order in which providers are asked.
    pub(crate) fn voices(&self) -> Vec<Voice> {
        let config = self.configuration.now();
        config.speech.voices(&config.providers)
    }

    /// The voice of this id, or the first that its provider calls so.
    pub(crate) fn named_voice(&self, name: &str) -> Option<Voice> {
        let voices = self.voices();
        let named = voices.iter().find(|voice| voice.to_string() == name);
        named.or_else(|| voices.iter().find(|voice| voice.name == name)).cloned()
    }

    /// The voice that speaks where this one is wanted.
    pub(crate) fn voice(&self, wanted: Option<&str>) -> Result<Voice, ApiError> {
        let config = self.configuration.now();
        config.speech.voice(&config.providers, wanted).ok_or_else(ApiError::no_voice)
    }
}
