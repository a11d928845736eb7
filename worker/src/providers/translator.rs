//! The port to translators: a text in, the same in another language out.

use std::time::Duration;

use async_trait::async_trait;
use troupe_core::languages::Language;

use super::failure::{Failure, consequence};
use crate::money::Spender;

/// What is to be translated. Placeholders like `⟦0⟧` are to stay as they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Assignment<'a> {
    pub(crate) text: &'a str,
    /// The language that it is to be in.
    pub(crate) language: &'a Language,
    pub(crate) kind: TextKind,
    /// Who pays.
    pub(crate) spender: Spender<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextKind {
    /// In English.
    Interface,
    /// In any language.
    Message,
}

#[async_trait]
pub(crate) trait Translator: Send + Sync {
    async fn translate(&self, assignment: &Assignment<'_>) -> Result<Translated, Untranslated>;
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
