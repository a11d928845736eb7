//! Speech of `ElevenLabs`: samples without a header.

use async_trait::async_trait;
use reqwest::header::{HeaderMap, HeaderName};
use secrecy::SecretString;
use serde_json::json;
use troupe_core::{model::providers::Outcome, wav::Wav};

use super::http::{self, Service};
use crate::providers::{
    failure::Failure,
    speech_model::{SpeechModel, Utterance},
};

const SAMPLE_RATE: u32 = 22_050;

pub(crate) struct ElevenLabsSpeech {
    service: Service,
    key: Option<SecretString>,
}

impl ElevenLabsSpeech {
    pub(crate) fn new(http: reqwest::Client, base: &str, key: Option<&SecretString>) -> Self {
        Self { service: Service::new(http::exchange(http), base), key: key.cloned() }
    }
}

#[async_trait]
impl SpeechModel for ElevenLabsSpeech {
    async fn speak(&self, Utterance { text, voice, model }: Utterance<'_>) -> Result<Wav, Failure> {
        let key = self.key.as_ref().map(|key| http::key_header("", key)).transpose()?;
        let headers: HeaderMap = key.map(|key| (HeaderName::from_static("xi-api-key"), key)).into_iter().collect();
        let path = format!("/text-to-speech/{voice}?output_format=pcm_{SAMPLE_RATE}");
        let response = self.service.post(&path, headers, &json!({ "text": text, "model_id": model })).await?;
        let samples = http::read_bytes(response).await?;
        match samples.len() {
            0 => Err(Failure::new(Outcome::Empty, "the service sent no sound")),
            // What is no sound is JSON, or a page.
            length if length % 2 != 0 || samples.starts_with(b"{\"") || samples.starts_with(b"<!") => {
                Err(Failure::new(Outcome::Malformed, "the service sent no samples of 16 bits"))
            }
            _ => Ok(Wav { sample_rate: SAMPLE_RATE, samples }),
        }
    }
}
