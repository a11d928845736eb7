//! Speech in OpenAI's format, `POST /audio/speech`: many services and local servers have it.

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use secrecy::SecretString;
use serde_json::json;
use troupe_core::wav::Wav;

use super::http::{self, Service};
use crate::providers::{
    failure::Failure,
    speech_model::{SpeechModel, Utterance},
};

pub(crate) struct OpenAiSpeech {
    service: Service,
    key: Option<SecretString>,
}

impl OpenAiSpeech {
    pub(crate) fn new(http: reqwest::Client, base: &str, key: Option<&SecretString>) -> Self {
        Self { service: Service::new(http::exchange(http), base), key: key.cloned() }
    }
}

#[async_trait]
impl SpeechModel for OpenAiSpeech {
    async fn speak(&self, Utterance { text, voice, model }: Utterance<'_>) -> Result<Wav, Failure> {
        let key = self.key.as_ref().map(|key| http::key_header("Bearer ", key)).transpose()?;
        let headers: HeaderMap = key.map(|key| (AUTHORIZATION, key)).into_iter().collect();
        let body = json!({ "model": model, "voice": voice, "input": text, "response_format": "wav" });
        let response = self.service.post("/audio/speech", headers, &body).await?;
        http::wav(&http::read_bytes(response).await?)
    }
}
