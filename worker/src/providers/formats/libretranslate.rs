//! Translation by `LibreTranslate`: `POST /translate`.

use async_trait::async_trait;
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use troupe_core::model::providers::Outcome;

use super::http::{self, Service};
use crate::providers::{
    failure::Failure,
    translator::{Assignment, Translated, Translator, Untranslated},
};

const NAME: &str = "libretranslate";

pub(crate) struct LibreTranslate {
    service: Service,
    key: Option<SecretString>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "translatedText")]
    text: String,
}

impl LibreTranslate {
    pub(crate) fn new(client: reqwest::Client, base: &str, key: Option<&SecretString>) -> Self {
        Self { service: Service::new(http::exchange(client), base), key: key.cloned() }
    }
}

#[async_trait]
impl Translator for LibreTranslate {
    async fn translate(&self, Assignment { text, language, .. }: &Assignment<'_>) -> Result<Translated, Untranslated> {
        let mut body = json!({ "q": text, "source": "auto", "target": language.code, "format": "text" });
        if let Some(key) = &self.key {
            body["api_key"] = key.expose_secret().into();
        }
        let response = self.service.post("/translate", HeaderMap::new(), &body).await?;
        let malformed = |_| Failure::new(Outcome::Malformed, "the service sent no JSON with a translation in it");
        let Answer { text } = serde_json::from_slice(&http::read_bytes(response).await?).map_err(malformed)?;
        Ok(Translated { text, provider: NAME.to_owned() })
    }
}
