//! The port to model services: a call, and the chunks of its answer.

use async_trait::async_trait;
use futures::stream::BoxStream;
use troupe_core::model::Usage;

use super::{failure::Failure, prompt::Prompt};

/// A chat completion service, with one key.
#[async_trait]
pub(crate) trait ChatModel: Send + Sync {
    /// Starts a reply. The stream ends after [`Chunk::End`], or with a failure; one that just stops was cut off.
    async fn stream(&self, call: Call<'_>) -> Result<Chunks, Failure>;

    /// Health check: whether the service answers and accepts the key, without a token of a reply.
    async fn check(&self) -> Result<(), Failure>;
}

pub(crate) type Chunks = BoxStream<'static, Result<Chunk, Failure>>;

/// One chat completion.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) prompt: &'a Prompt,
    pub(crate) model: &'a str,
    pub(crate) max_tokens: u32,
    /// The partial reply of another service, which the stream continues. Only for services that support it.
    pub(crate) prefill: &'a str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Chunk {
    Text(String),
    /// Tokens as the provider counted them, so far; a later count replaces an earlier one.
    Usage(Usage),
    End(FinishReason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FinishReason {
    Stop,
    /// The limit of tokens was reached.
    Length,
    /// The model declined; the text says so.
    Refusal,
    /// The rest, or all, was withheld.
    ContentFilter,
}
