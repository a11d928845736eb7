//! One call of a provider, from its beginning to its record in the trail: whatever ends it, also that nobody waits any more.

use std::{mem, sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use tokio::time::Instant;
use troupe_core::model::{
    Usage,
    providers::{Outcome, Try},
};

use super::{chain::Chain, roster::Candidate};
use crate::providers::{
    chat_model::{Call, Chunk, Chunks},
    failure::Failure,
    prompt::Prompt,
    tokens,
};

/// What came of the calls for one reply, in the order of their ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trail(Arc<Mutex<Vec<Try>>>);

impl Trail {
    /// Complete once the speech has been dropped.
    pub(crate) fn take(&self) -> Vec<Try> {
        mem::take(&mut self.0.lock())
    }
}

/// What a call is for.
pub(super) struct Purpose {
    pub(super) prompt: Arc<Prompt>,
    /// Text that it is to go on after.
    pub(super) said: String,
    /// Among the calls for this reply.
    pub(super) number: usize,
    /// Whether it finds out if its key may be asked again.
    pub(super) probe: bool,
    /// Whether it was made because another was slow.
    pub(super) hedge: bool,
}

pub(super) struct Calling {
    chain: Arc<Chain>,
    trail: Trail,
    pub(super) candidate: Candidate,
    purpose: Purpose,
    chunks: Chunks,
    pub(super) began: Instant,
    first_word: Option<Duration>,
    text: String,
    usage: Option<Usage>,
    ended: bool,
}

impl Calling {
    /// Nothing happens before it is asked for its first chunk.
    pub(super) fn new(chain: Arc<Chain>, trail: Trail, candidate: Candidate, purpose: Purpose) -> Self {
        let (endpoint, model) = (candidate.endpoint.clone(), candidate.model.clone());
        let (prompt, said, max_tokens) = (purpose.prompt.clone(), purpose.said.clone(), chain.max_reply_tokens);
        let call = async move {
            let call = Call { prompt: &prompt, model: &model, max_tokens, said: &said };
            endpoint.model.stream(call).await
        };
        let chunks = stream::once(call).try_flatten().boxed();
        let began = Instant::now();
        let (first_word, text, usage, ended) = (None, String::new(), None, false);
        Self { chain, trail, candidate, purpose, chunks, began, first_word, text, usage, ended }
    }

    pub(super) fn has_spoken(&self) -> bool {
        self.first_word.is_some()
    }

    pub(super) fn number(&self) -> usize {
        self.purpose.number
    }

    /// Whether it goes on with text that another one said.
    pub(super) fn goes_on(&self) -> bool {
        !self.purpose.said.is_empty()
    }

    /// The next text, the end, or the failure that is one. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Chunk, Failure> {
        loop {
            match self.chunks.next().await {
                Some(Ok(Chunk::Usage(usage))) => self.usage = Some(usage),
                Some(Ok(Chunk::Text(text))) => {
                    self.hear(&text);
                    return Ok(Chunk::Text(text));
                }
                Some(end) => return end,
                None => return Err(Failure::new(Outcome::Cut, "the service broke off in mid-reply")),
            }
        }
    }

    fn hear(&mut self, text: &str) {
        self.text.push_str(text);
        if self.first_word.is_none() {
            let waited = self.began.elapsed();
            self.first_word = Some(waited);
            self.candidate.endpoint.first_words.record(waited);
        }
    }

    /// The usage as reported, or as we count it.
    pub(super) fn usage(&mut self) -> Usage {
        *self.usage.get_or_insert_with(|| tokens::usage(&self.purpose.prompt, &self.text))
    }

    pub(super) fn failed(mut self, failure: &Failure) {
        tracing::warn!(endpoint = self.candidate.endpoint.name, model = self.candidate.model, outcome = ?failure.outcome,
            %failure, "a provider failed");
        self.chain.failed(&self.candidate.endpoint, failure, self.purpose.probe);
        self.record(failure.outcome);
    }

    pub(super) fn succeeded(mut self, outcome: Outcome) {
        self.chain.succeeded(&self.candidate.endpoint, self.purpose.probe);
        self.record(outcome);
    }

    /// Another one spoke first.
    pub(super) fn outrun(mut self) {
        self.candidate.endpoint.standing.let_go(self.purpose.probe);
        self.record(Outcome::Outrun);
    }

    fn record(&mut self, outcome: Outcome) {
        self.ended = true;
        // Whom we left in the middle has read the prompt, and will send a bill for it.
        let billed =
            self.usage.is_some() || self.has_spoken() || matches!(outcome, Outcome::Outrun | Outcome::Completed);
        let usage = billed.then(|| self.usage());
        let Candidate { endpoint, model } = &self.candidate;
        let milliseconds = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        let tried = Try {
            provider: endpoint.provider.clone(),
            key: endpoint.key.clone(),
            model: model.clone(),
            outcome,
            first_word_ms: self.first_word.map(milliseconds),
            ms: milliseconds(self.began.elapsed()),
            usage,
            cost: usage.map_or(0.0, |usage| self.chain.money.price_of(&endpoint.provider, model, usage)),
            hedge: self.purpose.hedge,
        };
        self.chain.sharing.count(endpoint, &tried);
        self.trail.0.lock().push(tried);
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        if !self.ended {
            self.candidate.endpoint.standing.let_go(self.purpose.probe);
            self.record(Outcome::Abandoned);
        }
    }
}
