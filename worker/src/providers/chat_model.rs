//! The port to model services: what one is asked, and what it answers in pieces.

use async_trait::async_trait;
use futures::stream::BoxStream;
use troupe_core::model::Usage;

use super::{failure::Failure, prompt::Prompt};

/// A service that continues a conversation, spoken to with one key.
#[async_trait]
pub(crate) trait ChatModel: Send + Sync {
    /// Begins a reply. The stream ends after [`Chunk::End`], or with a failure; one that just stops was cut off.
    async fn stream(&self, call: Call<'_>) -> Result<Chunks, Failure>;

    /// Asks whether the service answers and takes the key, without asking it for a word.
    async fn check(&self) -> Result<(), Failure>;
}

pub(crate) type Chunks = BoxStream<'static, Result<Chunk, Failure>>;

/// What a service is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) prompt: &'a Prompt,
    pub(crate) model: &'a str,
    pub(crate) max_tokens: u32,
    /// The reply's beginning, where another service broke off: the stream goes on after it. Only for services that can.
    pub(crate) said: &'a str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Chunk {
    Text(String),
    /// Tokens as the provider counted them, so far; a later one counts instead of an earlier one.
    Usage(Usage),
    End(Stop),
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Finished,
    /// It came to the most tokens that it may say.
    Length,
    /// It declined; what it said of it is its text.
    Refused,
    /// The rest, or all, was withheld.
    Filtered,
}
