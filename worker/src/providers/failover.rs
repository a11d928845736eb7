//! One reply by the first provider of the chain that can give one: failover inside the attempt, without a pause.
//!
//! Until the first token, failover is invisible. After it the persona decides (`when_cut`): partial text is kept until
//! the next provider's first token arrives and is retracted then, or it is the next provider's prefill, or it is the
//! reply. Each provider has a circuit breaker per key ([`troupe_core::circuit_breaker`]); further calls are bounded by
//! a [`retry_budget`], and a slow first token is hedged by a second call ([`hedging`]).

pub(super) mod call;
pub(super) mod chain;
mod first_token_latency;
pub(super) mod health_board;
pub(super) mod health_checks;
mod hedging;
mod retry_budget;
pub(super) mod roster;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, mem, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures::{FutureExt, Stream, stream};
use troupe_core::{
    circuit_breaker::Admission,
    model::{
        Usage,
        providers::{Incomplete, Outcome, WhenCut},
    },
};

use super::{
    chat_model::{Chunk, FinishReason},
    failure::{FailoverTarget, Failure, consequence},
    prompt::Prompt,
};
use crate::metrics::PROVIDERS;
use call::{CallPurpose, ProviderCall, Trail};
use chain::Chain;
use roster::Candidate;

/// A piece of the reply, whichever provider it comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ReplyChunk {
    Text(String),
    /// All text so far is void.
    Retracted,
    End(Completion),
}

/// The end of a reply.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Completion {
    /// Of the call that ended it.
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) usage: Usage,
    pub(crate) incomplete: Option<Incomplete>,
}

/// No provider of the chain gave a reply.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ChainFailure {
    pub(crate) message: String,
    pub(crate) outcome: Outcome,
    /// Whether another attempt may help.
    pub(crate) retryable: bool,
    /// Whether any provider was called at all.
    pub(crate) called: bool,
    pub(crate) retry_after: Option<Duration>,
}

impl ChainFailure {
    pub(crate) fn without_call(message: &str) -> Self {
        Self {
            message: message.to_owned(),
            outcome: Outcome::Failed,
            retryable: true,
            called: false,
            retry_after: None,
        }
    }

    pub(crate) fn after_call(message: &str) -> Self {
        Self { called: true, ..Self::without_call(message) }
    }
}

pub(crate) struct Failover {
    chain: Arc<Chain>,
    trail: Trail,
    prompt: Arc<Prompt>,
    when_cut: WhenCut,
    /// No text may be retracted: the next service goes on from it, by an instruction where it takes no prefill.
    keeps_text: bool,
    candidates: VecDeque<Candidate>,
    call: Option<ProviderCall>,
    /// The valid text, and the number of the call that it is of: the first token of another call retracts it, unless
    /// that call continues it.
    text: String,
    text_call: usize,
    pending: Option<ReplyChunk>,
    calls: usize,
    last_failure: Option<Failure>,
    retryable: bool,
    /// When the first of the open circuit breakers may be probed.
    earliest_probe: Option<DateTime<Utc>>,
}

impl Failover {
    pub(crate) fn new(
        chain: Arc<Chain>,
        prompt: Arc<Prompt>,
        candidates: Vec<Candidate>,
        when_cut: WhenCut,
        trail: Trail,
    ) -> Self {
        chain.retries.deposit();
        chain.hedges.deposit();
        Self {
            chain,
            trail,
            prompt,
            when_cut,
            keeps_text: false,
            candidates: candidates.into(),
            call: None,
            text: String::new(),
            text_call: 0,
            pending: None,
            calls: 0,
            last_failure: None,
            retryable: false,
            earliest_probe: None,
        }
    }

    /// For readers from whom no text can be taken back.
    pub(crate) fn keeping_text(self) -> Self {
        let when_cut = if self.when_cut == WhenCut::Stop { WhenCut::Stop } else { WhenCut::Continue };
        Self { keeps_text: true, when_cut, ..self }
    }

    /// The chunks of the reply; the last is an end or a failure.
    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<ReplyChunk, ChainFailure>> + Send {
        // Boxed, as is what happens once a reply: the state moves with each chunk.
        stream::unfold(Some(Box::new(self)), |failover| async {
            let mut failover = failover?;
            match failover.next().await {
                end @ (Ok(ReplyChunk::End(_)) | Err(_)) => Some((end, None)),
                chunk => Some((chunk, Some(failover))),
            }
        })
    }

    async fn next(&mut self) -> Result<ReplyChunk, ChainFailure> {
        if let Some(chunk) = self.pending.take() {
            return Ok(chunk);
        }
        loop {
            let mut call = match self.call.take() {
                Some(call) => call,
                None => self.start_call(false).boxed().await.ok_or_else(|| self.give_up())?,
            };
            let chunk = if call.has_text() {
                call.next().await
            } else {
                let (first, chunk) = self.first_chunk(call).boxed().await;
                call = first;
                chunk
            };
            match chunk {
                Ok(Chunk::Text(text)) => {
                    let chunk = self.accept(&call, text);
                    self.call = Some(call);
                    return Ok(chunk);
                }
                // One that continues a prefill may find nothing to add.
                Ok(Chunk::End(reason)) if call.has_text() || call.continues_text() => {
                    return Ok(Self::end(call, reason));
                }
                Ok(Chunk::End(FinishReason::ContentFilter)) => {
                    let failure = Failure::new(Outcome::Filtered, "the service withheld the whole reply");
                    self.fail(call, failure)?;
                }
                Ok(_) => self.fail(call, Failure::new(Outcome::Empty, "the service sent an empty reply"))?,
                Err(failure) => {
                    if let Some(end) = self.keep_partial(&mut call, &failure) {
                        call.fail(&failure);
                        return Ok(end);
                    }
                    self.fail(call, failure)?;
                }
            }
        }
    }

    fn accept(&mut self, call: &ProviderCall, text: String) -> ReplyChunk {
        let previous_call = mem::replace(&mut self.text_call, call.number());
        if previous_call == self.text_call || call.continues_text() || self.text.is_empty() {
            self.text.push_str(&text);
            return ReplyChunk::Text(text);
        }
        self.text.clone_from(&text);
        self.pending = Some(ReplyChunk::Text(text));
        ReplyChunk::Retracted
    }

    fn end(mut call: ProviderCall, reason: FinishReason) -> ReplyChunk {
        let (outcome, incomplete) = match reason {
            FinishReason::Stop => (Outcome::Completed, None),
            FinishReason::Refusal => (Outcome::Refused, None),
            FinishReason::Length => (Outcome::Completed, Some(Incomplete::Length)),
            FinishReason::ContentFilter => (Outcome::Filtered, Some(Incomplete::Filtered)),
        };
        let end = completion(&mut call, incomplete);
        call.succeed(outcome);
        end
    }

    /// The end of a reply that broke off, where its partial text is to be the reply.
    fn keep_partial(&self, call: &mut ProviderCall, failure: &Failure) -> Option<ReplyChunk> {
        let incomplete = match failure.outcome {
            Outcome::Filtered => Incomplete::Filtered,
            _ if self.when_cut == WhenCut::Stop => Incomplete::Cut,
            _ => return None,
        };
        call.has_text().then(|| completion(call, Some(incomplete)))
    }

    /// Records a failed call; an error where no other provider would do better.
    fn fail(&mut self, call: ProviderCall, failure: Failure) -> Result<(), ChainFailure> {
        let consequence = consequence(failure.outcome);
        let without_prefill = consequence.failover == FailoverTarget::None && call.continues_prefill();
        if without_prefill {
            // Not every model takes a prefill: the same link once more, from the beginning.
            self.when_cut = WhenCut::Restart;
            self.candidates.push_front(call.candidate.clone());
        }
        if consequence.failover == FailoverTarget::ShorterPrompt
            && let Some(shorter) = self.prompt.shorter()
        {
            self.prompt = Arc::new(shorter);
            self.candidates.push_front(call.candidate.clone());
        }
        call.fail(&failure);
        self.retryable |= consequence.retryable;
        self.last_failure = Some(failure);
        if consequence.failover != FailoverTarget::None || without_prefill {
            return Ok(());
        }
        self.retryable = consequence.retryable;
        self.earliest_probe = None;
        Err(self.give_up())
    }

    /// Calls the next candidate that its circuit breaker admits; `None` where there is none.
    async fn start_call(&mut self, hedge: bool) -> Option<ProviderCall> {
        while let Some(candidate) = self.candidates.pop_front() {
            let probe = match self.chain.admit(&candidate.endpoint).await {
                Admission::Allowed => false,
                Admission::Probe => true,
                Admission::Denied { until } => {
                    self.earliest_probe = Some(self.earliest_probe.map_or(until, |earliest| earliest.min(until)));
                    continue;
                }
            };
            if self.calls > 0 && !hedge && !self.chain.retries.withdraw() {
                tracing::warn!("the retry budget is spent: this reply waits");
                PROVIDERS.retries_denied.inc();
                candidate.endpoint.breaker.release(probe);
                self.retryable = true;
                return None;
            }
            self.calls += 1;
            let prefilled = self.when_cut == WhenCut::Continue && candidate.endpoint.accepts_prefill;
            let goes_on = self.keeps_text && !prefilled && !self.text.is_empty();
            let purpose = CallPurpose {
                prompt: if goes_on { Arc::new(self.prompt.going_on_from(&self.text)) } else { self.prompt.clone() },
                prefill: if prefilled { self.text.clone() } else { String::new() },
                goes_on,
                number: self.calls,
                probe,
                hedge,
            };
            return Some(ProviderCall::new(self.chain.clone(), self.trail.clone(), candidate, purpose));
        }
        None
    }

    fn give_up(&mut self) -> ChainFailure {
        let until_probe = self.earliest_probe.map(|probe| self.chain.time_until(probe));
        match self.last_failure.take() {
            Some(failure) => ChainFailure {
                message: failure.message,
                outcome: failure.outcome,
                retryable: self.retryable || self.earliest_probe.is_some(),
                called: true,
                retry_after: failure.retry_after.into_iter().chain(until_probe).min(),
            },
            None => ChainFailure {
                retry_after: until_probe,
                ..ChainFailure::without_call("every provider of the chain rests")
            },
        }
    }
}

fn completion(call: &mut ProviderCall, incomplete: Option<Incomplete>) -> ReplyChunk {
    ReplyChunk::End(Completion {
        provider: call.candidate.endpoint.provider.clone(),
        model: call.candidate.model.clone(),
        usage: call.usage(),
        incomplete,
    })
}
