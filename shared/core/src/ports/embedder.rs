//! Turns texts into vectors: the nearer in meaning, the nearer in direction.

use std::time::Duration;

use async_trait::async_trait;

/// Why there are no vectors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmbedError {
    /// One of the texts is at fault: it would be refused again.
    #[error("the embedder refused a text: {0}")]
    Refused(String),
    /// Later it may go well.
    #[error("the embedder is unavailable: {why}")]
    Unavailable { why: String, retry_after: Option<Duration> },
    /// The model is another than was configured: no waiting mends it.
    #[error("the embedder does not fit: {0}")]
    Unfit(String),
}

#[async_trait]
pub trait Embedder: Send + Sync {
    /// One vector of [`Embedder::dimension`] numbers for each text, in their order, of length 1 (or 0, where a text
    /// says nothing). It is tried once: whoever can wait tries again, whoever cannot does without.
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError>;

    /// Names what can be compared with each other: the model and the dimension, like `text-embedding-3-small@1536`.
    fn model(&self) -> &str;

    fn dimension(&self) -> usize;

    /// How many texts it is given at once, at most.
    fn batch(&self) -> usize;
}
