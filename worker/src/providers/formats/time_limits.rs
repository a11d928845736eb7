//! A model that is not waited for without end: for its first word, for each next one, and for its last.

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
    first_word: Duration,
    gap: Duration,
    whole: Duration,
}

impl From<&config::Models> for TimeLimits {
    fn from(config: &config::Models) -> Self {
        Self { first_word: config.first_token_timeout, gap: config.token_gap_timeout, whole: config.reply_timeout }
    }
}

pub(crate) struct WithTimeLimits<M> {
    model: M,
    limits: TimeLimits,
}

impl<M> WithTimeLimits<M> {
    pub(crate) fn new(model: M, limits: TimeLimits) -> Self {
        Self { model, limits }
    }
}

/// What is waited for.
#[derive(Clone, Copy)]
struct Wait {
    end: Instant,
    spoke: bool,
    next: Instant,
}

impl Wait {
    fn until(self) -> Instant {
        self.next.min(self.end)
    }

    fn ran_out(self, limits: TimeLimits) -> Failure {
        let (outcome, what, limit) = if self.end <= self.next {
            (Outcome::Endless, "the reply had no end after", limits.whole)
        } else if self.spoke {
            (Outcome::Stalled, "the service was silent in mid-reply for", limits.gap)
        } else {
            (Outcome::Silent, "the service was silent for", limits.first_word)
        };
        Failure::new(outcome, format!("{what} {:.1} s", limit.as_secs_f64()))
    }
}

#[async_trait]
impl<M: ChatModel> ChatModel for WithTimeLimits<M> {
    async fn stream(&self, call: Call<'_>) -> Result<Chunks, Failure> {
        let (limits, now) = (self.limits, Instant::now());
        let wait = Wait { end: now + limits.whole, spoke: false, next: now + limits.first_word };
        let chunks = timeout_at(wait.until(), self.model.stream(call)).await.map_err(|_| wait.ran_out(limits))??;
        let limited = stream::unfold(Some((chunks, wait)), move |state| async move {
            let (mut chunks, mut wait) = state?;
            let Ok(chunk) = timeout_at(wait.until(), chunks.next()).await else {
                return Some((Err(wait.ran_out(limits)), None));
            };
            wait.spoke |= matches!(chunk, Some(Ok(Chunk::Text(_))));
            if wait.spoke {
                wait.next = Instant::now() + limits.gap;
            }
            chunk.map(|chunk| (chunk, Some((chunks, wait))))
        });
        Ok(limited.boxed())
    }

    async fn check(&self) -> Result<(), Failure> {
        let silent = || Failure::new(Outcome::Silent, "the check was not answered in time");
        tokio::time::timeout(self.limits.first_word, self.model.check()).await.unwrap_or_else(|_| Err(silent()))
    }
}

#[cfg(test)]
mod tests {
    use troupe_core::model::Usage;

    use super::*;
    use crate::providers::prompt::Prompt;

    /// Says these, each after a second, and then nothing.
    struct Falters(Vec<Chunk>);

    #[async_trait]
    impl ChatModel for Falters {
        async fn stream(&self, _: Call<'_>) -> Result<Chunks, Failure> {
            let said = stream::iter(self.0.clone()).then(|chunk| async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok(chunk)
            });
            Ok(said.chain(stream::pending()).boxed())
        }

        async fn check(&self) -> Result<(), Failure> {
            std::future::pending().await
        }
    }

    async fn heard(chunks: Vec<Chunk>, whole: u64) -> (usize, Outcome, u64) {
        let seconds = Duration::from_secs;
        let limits = TimeLimits { first_word: seconds(30), gap: seconds(5), whole: seconds(whole) };
        let model = WithTimeLimits::new(Falters(chunks), limits);
        let (prompt, began) = (Prompt::asking("?"), Instant::now());
        let call = Call { prompt: &prompt, model: "m", max_tokens: 1, said: "" };
        let heard: Vec<_> = model.stream(call).await.unwrap().collect().await;
        let ended = heard.last().unwrap().as_ref().unwrap_err().outcome;
        (heard.len() - 1, ended, began.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn each_silence_is_a_failure_of_its_own() {
        let text = || Chunk::Text("well".to_owned());
        assert_eq!(heard(vec![], 300).await, (0, Outcome::Silent, 30));
        assert_eq!(
            heard(vec![Chunk::Usage(Usage::default())], 300).await,
            (1, Outcome::Silent, 30),
            "counts are no words"
        );
        assert_eq!(heard(vec![text()], 300).await, (1, Outcome::Stalled, 6));
        assert_eq!(heard(vec![text(); 20], 10).await.1, Outcome::Endless);
    }
}
