//! Translation by `DeepL`: `POST /v2/translate`.

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use troupe_core::model::providers::Outcome;

use super::http::{self, Service};
use crate::providers::{
    failure::Failure,
    translator::{Assignment, Translated, Translator, Untranslated},
};

const NAME: &str = "deepl";
const ADDRESS: &str = "https://api.deepl.com";
/// Of keys without a subscription, which end with `:fx`.
const FREE_ADDRESS: &str = "https://api-free.deepl.com";

pub(crate) struct DeepL {
    service: Service,
    key: SecretString,
}

#[derive(Deserialize)]
struct Answer {
    translations: Vec<Translation>,
}

#[derive(Deserialize)]
struct Translation {
    text: String,
}

impl DeepL {
    /// At its public address, unless another is given.
    pub(crate) fn new(client: reqwest::Client, base: Option<&str>, key: SecretString) -> Self {
        let is_free = key.expose_secret().ends_with(":fx");
        let base = base.unwrap_or(if is_free { FREE_ADDRESS } else { ADDRESS });
        Self { service: Service::new(http::exchange(client), base), key }
    }
}

#[async_trait]
impl Translator for DeepL {
    async fn translate(&self, Assignment { text, language, .. }: &Assignment<'_>) -> Result<Translated, Untranslated> {
        let key = http::key_header("DeepL-Auth-Key ", &self.key)?;
        let headers: HeaderMap = [(AUTHORIZATION, key)].into_iter().collect();
        let body = json!({ "text": [text], "target_lang": language.code.to_ascii_uppercase() });
        let response = self.service.post("/v2/translate", headers, &body).await?;
        let malformed = |_| Failure::new(Outcome::Malformed, "the service sent no JSON with a translation in it");
        let answer: Answer = serde_json::from_slice(&http::read_bytes(response).await?).map_err(malformed)?;
        let empty = || Failure::new(Outcome::Empty, "the service sent no translation");
        let Translation { text } = answer.translations.into_iter().next().ok_or_else(empty)?;
        Ok(Translated { text, provider: NAME.to_owned() })
    }
}
