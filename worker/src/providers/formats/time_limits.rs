//! Timeouts of a model: for the first token, for the gap between two, and for the whole reply.

use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};
use troupe_core::{config, model::providers::Outcome};

use crate::providers::{
    chat_model::{Call, ChatModel, Chunk, Chunks},
    failure::Failure,
};

#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeLimits {
    first_token: Duration,
    gap: Duration,
    whole: Duration,
}

impl From<&config::Models> for TimeLimits {
    fn from(config: &config::Models) -> Self {
        Self { first_token: config.first_token_timeout, gap: config.token_gap_timeout, whole: config.reply_timeout }
    }
}

/// A decorator of any model.
pub(crate) struct WithTimeLimits<M> {
    model: M,
    limits: TimeLimits,
}

impl<M> WithTimeLimits<M> {
    pub(crate) fn new(model: M, limits: TimeLimits) -> Self {
        Self { model, limits }
    }
}

/// The deadlines of a reply at one moment.
#[derive(Clone, Copy)]
struct Deadlines {
    whole: Instant,
    has_text: bool,
    next: Instant,
}

impl Deadlines {
    fn earliest(self) -> Instant {
        self.next.min(self.whole)
    }

    fn failure(self, limits: TimeLimits) -> Failure {
        let (outcome, what, limit) = if self.whole <= self.next {
            (Outcome::Endless, "the reply had no end after", limits.whole)
        } else if self.has_text {
            (Outcome::Stalled, "the service was silent in mid-reply for", limits.gap)
        } else {
            (Outcome::Silent, "the service was silent for", limits.first_token)
        };
        Failure::new(outcome, format!("{what} {:.1} s", limit.as_secs_f64()))
    }
}

#[async_trait]
impl<M: ChatModel> ChatModel for WithTimeLimits<M> {
    async fn stream(&self, call: Call<'_>) -> Result<Chunks, Failure> {
        let limits = self.limits;
        let now = Instant::now();
        let deadlines = Deadlines { whole: now + limits.whole, has_text: false, next: now + limits.first_token };
        let started = timeout_at(deadlines.earliest(), self.model.stream(call)).await;
        let chunks = started.map_err(|_| deadlines.failure(limits))??;
        let limited = stream::unfold(Some((chunks, deadlines)), move |state| async move {
            let (mut chunks, mut deadlines) = state?;
            let Ok(chunk) = timeout_at(deadlines.earliest(), chunks.next()).await else {
                return Some((Err(deadlines.failure(limits)), None));
            };
            deadlines.has_text |= matches!(chunk, Some(Ok(Chunk::Text(_))));
            if deadlines.has_text {
                deadlines.next = Instant::now() + limits.gap;
            }
            chunk.map(|chunk| (chunk, Some((chunks, deadlines))))
        });
        Ok(limited.boxed())
    }

    async fn check(&self) -> Result<(), Failure> {
        let silent = || Failure::new(Outcome::Silent, "the check was not answered in time");
        tokio::time::timeout(self.limits.first_token, self.model.check()).await.unwrap_or_else(|_| Err(silent()))
    }
}

#[cfg(test)]
mod tests {
    use troupe_core::model::Usage;

    use super::*;
    use crate::providers::prompt::Prompt;

    /// Sends these, each after a second, and then nothing.
    struct Stalling(Vec<Chunk>);

    #[async_trait]
    impl ChatModel for Stalling {
        async fn stream(&self, _: Call<'_>) -> Result<Chunks, Failure> {
            let sent = stream::iter(self.0.clone()).then(|chunk| async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok(chunk)
            });
            Ok(sent.chain(stream::pending()).boxed())
        }

        async fn check(&self) -> Result<(), Failure> {
            std::future::pending().await
        }
    }

    async fn received(chunks: Vec<Chunk>, whole: u64) -> (usize, Outcome, u64) {
        let seconds = Duration::from_secs;
        let limits = TimeLimits { first_token: seconds(30), gap: seconds(5), whole: seconds(whole) };
        let model = WithTimeLimits::new(Stalling(chunks), limits);
        let prompt = Prompt::asking("?");
        let began = Instant::now();
        let call = Call { prompt: &prompt, model: "m", max_tokens: 1, prefill: "" };
        let received: Vec<_> = model.stream(call).await.unwrap().collect().await;
        let ended = received.last().unwrap().as_ref().unwrap_err().outcome;
        (received.len() - 1, ended, began.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn each_silence_is_a_failure_of_its_own() {
        let text = || Chunk::Text("well".to_owned());
        assert_eq!(received(vec![], 300).await, (0, Outcome::Silent, 30));
        assert_eq!(
            received(vec![Chunk::Usage(Usage::default())], 300).await,
            (1, Outcome::Silent, 30),
            "counts are no words"
        );
        assert_eq!(received(vec![text()], 300).await, (1, Outcome::Stalled, 6));
        assert_eq!(received(vec![text(); 20], 10).await.1, Outcome::Endless);
    }
}
