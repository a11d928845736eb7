//! Speech of Speechify: a WAV file in JSON.

use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::header::{AUTHORIZATION, HeaderMap};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use troupe_core::{model::providers::Outcome, wav::Wav};

use super::http::{self, Service};
use crate::providers::{
    failure::Failure,
    speech_model::{SpeechModel, Utterance},
};

pub(crate) struct SpeechifySpeech {
    service: Service,
    key: Option<SecretString>,
}

#[derive(Deserialize)]
struct Answer {
    audio_data: String,
}

impl SpeechifySpeech {
    pub(crate) fn new(http: reqwest::Client, base: &str, key: Option<&SecretString>) -> Self {
        Self { service: Service::new(http::exchange(http), base), key: key.cloned() }
    }
}

#[async_trait]
impl SpeechModel for SpeechifySpeech {
    async fn speak(&self, Utterance { text, voice, model }: Utterance<'_>) -> Result<Wav, Failure> {
        let key = self.key.as_ref().map(|key| http::key_header("Bearer ", key)).transpose()?;
        let headers: HeaderMap = key.map(|key| (AUTHORIZATION, key)).into_iter().collect();
        let body = json!({ "input": text, "voice_id": voice, "model": model, "audio_format": "wav" });
        let response = self.service.post("/audio/speech", headers, &body).await?;
        let malformed = |_| Failure::new(Outcome::Malformed, "the service sent no JSON with a sound in it");
        let answer: Answer = serde_json::from_slice(&http::read_bytes(response).await?).map_err(malformed)?;
        let undecodable = |_| Failure::new(Outcome::Malformed, "the service sent no base64");
        http::wav(&BASE64_STANDARD.decode(answer.audio_data).map_err(undecodable)?)
    }
}
