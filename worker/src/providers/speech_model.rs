//! The port to speech services: a text in, its sound out.

use async_trait::async_trait;
use troupe_core::wav::Wav;

use super::failure::Failure;

/// A speech service, with one key.
#[async_trait]
pub(crate) trait SpeechModel: Send + Sync {
    async fn speak(&self, utterance: Utterance<'_>) -> Result<Wav, Failure>;
}

/// What is to be said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Utterance<'a> {
    pub(crate) text: &'a str,
    /// As the service calls them.
    pub(crate) voice: &'a str,
    pub(crate) model: &'a str,
}
