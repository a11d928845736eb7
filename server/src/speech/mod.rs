//! Replies spoken aloud, sentence by sentence, while they are still being written ([ADR 28]).
//!
//! A listener asks for one sentence after the other. What is said is cut from the reply's text here ([`sentences`]);
//! the sound is made by a worker, unless it is kept from before ([`sound`]). Nothing of it has to survive: what is lost
//! is made again when it is asked for.
//!
//! [ADR 28]: ../../../docs/adr/0028-speech-is-asked-for-by-the-sentence.md

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
    /// The voice that speaks where this one is wanted.
    fn voice(&self, wanted: Option<&str>) -> Result<Voice, ApiError> {
        let config = self.configuration.now();
        config.speech.voice(&config.providers, wanted).ok_or_else(ApiError::no_voice)
    }
}
