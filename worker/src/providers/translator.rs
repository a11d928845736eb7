//! The port to translators: a text in, the same in another language out.

use std::time::Duration;

use async_trait::async_trait;
use troupe_core::languages::Language;

use super::failure::{Failure, consequence};

#[async_trait]
pub(crate) trait Translator: Send + Sync {
    /// Translates a text from English. Placeholders like `⟦0⟧` are to stay as they are.
    async fn translate(&self, text: &str, language: &Language) -> Result<Translated, Untranslated>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Translated {
    pub(crate) text: String,
    /// Who translated it.
    pub(crate) provider: String,
}

#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Untranslated {
    pub(crate) message: String,
    /// Whether another call may help.
    pub(crate) retryable: bool,
}

impl Untranslated {
    pub(crate) fn silent(limit: Duration) -> Self {
        Self { message: format!("it was silent for {}", humantime::format_duration(limit)), retryable: true }
    }
}

impl From<Failure> for Untranslated {
    fn from(failure: Failure) -> Self {
        Self { retryable: consequence(failure.outcome).retryable, message: failure.message }
    }
}
