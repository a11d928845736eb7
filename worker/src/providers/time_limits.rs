//! A model that is not waited for without end: for its first word, and for each next one.

use std::time::Duration;

use async_trait::async_trait;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::time::timeout;

use super::{ChatModel, Chunk, ModelError};
use crate::reply::prompt::Prompt;

pub(super) struct WithTimeLimits<M> {
    model: M,
    first: Duration,
    gap: Duration,
}

impl<M> WithTimeLimits<M> {
    pub(super) fn new(model: M, first: Duration, gap: Duration) -> Self {
        Self { model, first, gap }
    }
}

fn silent(limit: Duration) -> ModelError {
    ModelError::transient(format!("the model service was silent for {:.1} s", limit.as_secs_f64()))
}

#[async_trait]
impl<M: ChatModel> ChatModel for WithTimeLimits<M> {
    fn name(&self) -> &'static str {
        self.model.name()
    }

    fn model<'a>(&'a self, prompt: &'a Prompt) -> &'a str {
        self.model.model(prompt)
    }

    async fn stream(&self, prompt: &Prompt) -> Result<BoxStream<'static, Result<Chunk, ModelError>>, ModelError> {
        let (first, gap) = (self.first, self.gap);
        let chunks = timeout(first, self.model.stream(prompt)).await.map_err(|_| silent(first))??;
        let limited = stream::unfold(Some((chunks, first)), move |state| async move {
            let (mut chunks, limit) = state?;
            match timeout(limit, chunks.next()).await {
                Ok(chunk) => chunk.map(|chunk| (chunk, Some((chunks, gap)))),
                Err(_) => Some((Err(silent(limit)), None)),
            }
        });
        Ok(limited.boxed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says one word, and then nothing.
    struct Falters;

    #[async_trait]
    impl ChatModel for Falters {
        fn name(&self) -> &'static str {
            "falters"
        }

        fn model<'a>(&'a self, _: &'a Prompt) -> &'a str {
            "falters"
        }

        async fn stream(&self, _: &Prompt) -> Result<BoxStream<'static, Result<Chunk, ModelError>>, ModelError> {
            let word = stream::iter([Ok(Chunk::Text("Well".to_owned()))]);
            Ok(word.chain(stream::pending()).boxed())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_after_a_word_is_an_error_and_the_end() {
        let model = WithTimeLimits::new(Falters, Duration::from_secs(30), Duration::from_secs(5));
        let prompt = Prompt {
            persona: String::new(),
            system: String::new(),
            messages: Vec::new(),
            temperature: 0.0,
            model: None,
        };
        let heard: Vec<_> = model.stream(&prompt).await.unwrap().map(|c| c.map_err(|e| e.to_string())).collect().await;
        assert_eq!(
            heard,
            [Ok(Chunk::Text("Well".to_owned())), Err("the model service was silent for 5.0 s".to_owned())]
        );
    }
}
