//! Embeds texts: similar meanings have similar vectors.

use std::time::Duration;

use async_trait::async_trait;

/// Why an embedding failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmbedError {
    /// One of the texts is refused, and would be again.
    #[error("the embedder refused a text: {0}")]
    Refused(String),
    /// Retryable.
    #[error("the embedder is unavailable: {why}")]
    Unavailable { why: String, retry_after: Option<Duration> },
    /// The model does not fit the configuration: not retryable.
    #[error("the embedder does not fit: {0}")]
    Unfit(String),
}

#[async_trait]
pub trait Embedder: Send + Sync {
    /// One vector of [`Embedder::dimension`] numbers per passage, in their order, of length 1 (or 0, for an empty
    /// text). Not retried here.
    async fn embed(&self, passages: &[String]) -> Result<Vec<Vec<f32>>, EmbedError>;

    /// The same for search queries: some models distinguish them from passages.
    async fn embed_queries(&self, queries: &[String]) -> Result<Vec<Vec<f32>>, EmbedError>;

    /// Identifies comparable vectors by model and dimension, like `text-embedding-3-small@1536`.
    fn model(&self) -> &str;

    fn dimension(&self) -> usize;

    /// The maximum number of texts per call.
    fn batch(&self) -> usize;
}
