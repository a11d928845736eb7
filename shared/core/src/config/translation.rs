//! Who translates: texts of the interface, and messages.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::{Config, HOLDS_A_SECRET, Provider, duration, holds_no_secret, optional_secret, optional_url};

#[derive(Debug, Clone, Deserialize)]
pub struct Translation {
    pub provider: TranslationProvider,
    #[serde(deserialize_with = "optional_url")]
    pub url: Option<Url>,
    #[serde(deserialize_with = "optional_secret")]
    pub key: Option<SecretString>,
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    #[serde(deserialize_with = "duration")]
    pub retry_pause: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TranslationProvider {
    /// Nobody: texts stay in English.
    #[serde(rename = "")]
    Off,
    /// The model services that write replies.
    Chain,
    LibreTranslate,
    DeepL,
}

impl Config {
    /// Whether anybody translates here.
    pub fn translates(&self) -> bool {
        match self.translation.provider {
            TranslationProvider::Off => false,
            TranslationProvider::Chain => {
                let chain = self.models.default_chain(&self.providers);
                chain.iter().any(|link| self.providers.get(&link.provider).is_some_and(Provider::translates))
            }
            TranslationProvider::LibreTranslate | TranslationProvider::DeepL => true,
        }
    }
}

impl Translation {
    pub(super) fn check(&self, rule: &mut impl FnMut(bool, &str, &str)) {
        rule(
            self.provider != TranslationProvider::LibreTranslate || self.url.is_some(),
            "translation.url",
            "must be set for libretranslate, such as http://libretranslate:5000",
        );
        rule(
            self.provider != TranslationProvider::DeepL || self.key.is_some(),
            "translation.key",
            "must be set for deepl",
        );
        let is_http = |url: &Url| matches!(url.scheme(), "http" | "https");
        rule(self.url.as_ref().is_none_or(is_http), "translation.url", "must be an http or https address");
        rule(self.url.as_ref().is_none_or(holds_no_secret), "translation.url", HOLDS_A_SECRET);
        rule(!self.timeout.is_zero(), "translation.timeout", "must be longer than nothing");
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    #[test]
    fn who_translates_is_told_whole() {
        let load = |variables: &[(&str, &str)]| {
            let pairs =
                variables.iter().map(|(name, value)| (format!("TROUPE_TRANSLATION__{name}"), (*value).to_owned()));
            Config::from_sources(None, pairs).map_err(|error| error.to_string())
        };
        for sound in [
            &[("PROVIDER", "")][..],
            &[("PROVIDER", "chain")],
            &[("PROVIDER", "libretranslate"), ("URL", "http://host:5000")],
            &[("PROVIDER", "deepl"), ("KEY", "k")],
        ] {
            load(sound).unwrap();
        }
        for (wrong, key) in [
            (&[("PROVIDER", "google")][..], "translation.provider"),
            (&[("PROVIDER", "libretranslate")], "translation.url"),
            (&[("PROVIDER", "deepl")], "translation.key"),
            (&[("URL", "ftp://host")], "translation.url"),
            (&[("URL", "http://user:secret@host")], "translation.url"),
            (&[("TIMEOUT", "0s")], "translation.timeout"),
        ] {
            let error = load(wrong).unwrap_err();
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn a_chain_translates_where_a_model_of_it_can() {
        let translates = |variables: &[(&str, &str)]| {
            let pairs = variables.iter().map(|(name, value)| (format!("TROUPE_{name}"), (*value).to_owned()));
            Config::from_sources(None, pairs).unwrap().translates()
        };
        let address = ("PROVIDERS__OPENAI__BASE_URL", "http://127.0.0.1:1/v1");
        let chain = ("TRANSLATION__PROVIDER", "chain");
        assert!(translates(&[address]), "by itself");
        assert!(!translates(&[]), "the built-in model only quotes");
        assert!(!translates(&[address, chain, ("PROVIDERS__OPENAI__SMALL", "true")]));
        assert!(!translates(&[address, ("TRANSLATION__PROVIDER", "")]));
        assert!(translates(&[("TRANSLATION__PROVIDER", "deepl"), ("TRANSLATION__KEY", "k")]));
    }
}
