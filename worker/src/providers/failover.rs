//! One reply, by whichever provider of the chain can: failover inside the attempt, at once.
//!
//! As long as nobody has said a word, failing over is invisible. After that the persona decides: the text stands until the
//! next provider speaks and is taken back then, or is gone on with, or is left as it is.

pub(super) mod call;
pub(super) mod chain;
mod circuit_breaker;
mod first_token_latency;
pub(super) mod health_board;
pub(super) mod health_checks;
mod retry_budget;
pub(super) mod roster;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, mem, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures::{FutureExt, Stream, stream};
use tokio::time::sleep_until;
use troupe_core::model::{
    Usage,
    providers::{Incomplete, Outcome, WhenCut},
};

use super::{
    chat_model::{Chunk, Stop},
    failure::{Elsewhere, Failure, consequence},
    prompt::Prompt,
};
use call::{Calling, Purpose, Trail};
use chain::Chain;
use circuit_breaker::Admission;
use roster::Candidate;

/// What is heard of a reply.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    Text(String),
    /// All text so far does not count any more.
    TakenBack,
    End(Ended),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ended {
    /// Of the call that ended it.
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) usage: Usage,
    pub(crate) incomplete: Option<Incomplete>,
}

/// Nobody gave a reply.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct GaveUp {
    pub(crate) message: String,
    pub(crate) outcome: Outcome,
    /// Whether another attempt may help.
    pub(crate) again: bool,
    /// Whether anybody was asked at all.
    pub(crate) asked: bool,
    pub(crate) retry_after: Option<Duration>,
}

impl GaveUp {
    pub(crate) fn without_asking(message: &str) -> Self {
        let (message, outcome) = (message.to_owned(), Outcome::Failed);
        Self { message, outcome, again: true, asked: false, retry_after: None }
    }

    pub(crate) fn after_asking(message: &str) -> Self {
        Self { asked: true, ..Self::without_asking(message) }
    }
}

pub(crate) struct Speech {
    chain: Arc<Chain>,
    trail: Trail,
    prompt: Arc<Prompt>,
    when_cut: WhenCut,
    candidates: VecDeque<Candidate>,
    calling: Option<Calling>,
    /// The text that stands, and the number of the call that it is of: the first word of another takes it back, unless that
    /// one goes on with it.
    text: String,
    of: usize,
    pending: Option<Said>,
    tries: usize,
    last: Option<Failure>,
    again: bool,
    /// When the first of those who rest may be asked.
    soonest: Option<DateTime<Utc>>,
}

impl Speech {
    /// A reply by whichever of these can.
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
            candidates: candidates.into(),
            calling: None,
            text: String::new(),
            of: 0,
            pending: None,
            tries: 0,
            last: None,
            again: false,
            soonest: None,
        }
    }

    /// All that is said; the last is an end or a failure.
    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<Said, GaveUp>> + Send {
        // Boxed, as is what happens once a reply: the state moves with each word.
        stream::unfold(Some(Box::new(self)), |speech| async {
            let mut speech = speech?;
            match speech.next().await {
                end @ (Ok(Said::End(_)) | Err(_)) => Some((end, None)),
                said => Some((said, Some(speech))),
            }
        })
    }

    async fn next(&mut self) -> Result<Said, GaveUp> {
        if let Some(said) = self.pending.take() {
            return Ok(said);
        }
        loop {
            let mut calling = match self.calling.take() {
                Some(calling) => calling,
                None => self.call(false).boxed().await.ok_or_else(|| self.give_up())?,
            };
            let chunk = if calling.has_spoken() {
                calling.next().await
            } else {
                let (first, chunk) = self.first_word(calling).boxed().await;
                calling = first;
                chunk
            };
            match chunk {
                Ok(Chunk::Text(text)) => {
                    let said = self.take_in(&calling, text);
                    self.calling = Some(calling);
                    return Ok(said);
                }
                // One that goes on may find that all was said.
                Ok(Chunk::End(stop)) if calling.has_spoken() || calling.goes_on() => {
                    return Ok(Self::end(calling, stop));
                }
                Ok(Chunk::End(Stop::Filtered)) => {
                    let failure = Failure::new(Outcome::Filtered, "the service withheld the whole reply");
                    self.fail(calling, failure)?;
                }
                Ok(_) => self.fail(calling, Failure::new(Outcome::Empty, "the service sent an empty reply"))?,
                Err(failure) => {
                    if let Some(end) = self.leave_it_at_that(&mut calling, &failure) {
                        calling.failed(&failure);
                        return Ok(end);
                    }
                    self.fail(calling, failure)?;
                }
            }
        }
    }

    fn take_in(&mut self, calling: &Calling, text: String) -> Said {
        let before = mem::replace(&mut self.of, calling.number());
        if before == self.of || calling.goes_on() || self.text.is_empty() {
            self.text.push_str(&text);
            return Said::Text(text);
        }
        self.text.clone_from(&text);
        self.pending = Some(Said::Text(text));
        Said::TakenBack
    }

    fn end(mut calling: Calling, stop: Stop) -> Said {
        let (outcome, incomplete) = match stop {
            Stop::Finished => (Outcome::Completed, None),
            Stop::Refused => (Outcome::Refused, None),
            Stop::Length => (Outcome::Completed, Some(Incomplete::Length)),
            Stop::Filtered => (Outcome::Filtered, Some(Incomplete::Filtered)),
        };
        let end = ended(&mut calling, incomplete);
        calling.succeeded(outcome);
        end
    }

    /// The end of a reply that broke off, where it is to be left as it stands.
    fn leave_it_at_that(&self, calling: &mut Calling, failure: &Failure) -> Option<Said> {
        let incomplete = match failure.outcome {
            Outcome::Filtered => Incomplete::Filtered,
            _ if self.when_cut == WhenCut::Stop => Incomplete::Cut,
            _ => return None,
        };
        calling.has_spoken().then(|| ended(calling, Some(incomplete)))
    }

    /// Takes a failure in; the next may be asked, unless nobody would do better.
    fn fail(&mut self, calling: Calling, failure: Failure) -> Result<(), GaveUp> {
        let meaning = consequence(failure.outcome);
        let again_anew = meaning.elsewhere == Elsewhere::Nobody && calling.goes_on();
        if again_anew {
            // Not every model takes a reply that was begun.
            self.when_cut = WhenCut::Restart;
            self.candidates.push_front(calling.candidate.clone());
        }
        if meaning.elsewhere == Elsewhere::Shorter
            && let Some(shorter) = self.prompt.shorter()
        {
            self.prompt = Arc::new(shorter);
            self.candidates.push_front(calling.candidate.clone());
        }
        calling.failed(&failure);
        self.again |= meaning.again;
        self.last = Some(failure);
        if meaning.elsewhere != Elsewhere::Nobody || again_anew {
            return Ok(());
        }
        (self.again, self.soonest) = (meaning.again, None);
        Err(self.give_up())
    }

    /// Begins a call of the next who may be asked; `None` where there is nobody.
    async fn call(&mut self, hedge: bool) -> Option<Calling> {
        while let Some(candidate) = self.candidates.pop_front() {
            let probe = match self.chain.admit(&candidate.endpoint).await {
                Admission::Yes => false,
                Admission::Probe => true,
                Admission::No { until } => {
                    self.soonest = Some(self.soonest.map_or(until, |soonest| soonest.min(until)));
                    continue;
                }
            };
            if self.tries > 0 && !hedge && !self.chain.retries.withdraw() {
                tracing::warn!("too many replies are tried again at once: this one waits");
                candidate.endpoint.standing.let_go(probe);
                self.again = true;
                return None;
            }
            self.tries += 1;
            let goes_on = self.when_cut == WhenCut::Continue && candidate.endpoint.continues;
            let said = if goes_on { self.text.clone() } else { String::new() };
            let purpose = Purpose { prompt: self.prompt.clone(), said, number: self.tries, probe, hedge };
            return Some(Calling::new(self.chain.clone(), self.trail.clone(), candidate, purpose));
        }
        None
    }

    /// What comes first: of the one who was called, or, where that one is later than usual, of the next as well.
    async fn first_word(&mut self, mut calling: Calling) -> (Calling, Result<Chunk, Failure>) {
        let usual = calling.candidate.endpoint.first_words.p95();
        let (Some(usual), true, true) = (usual, self.text.is_empty(), !self.candidates.is_empty()) else {
            let chunk = calling.next().await;
            return (calling, chunk);
        };
        let late = calling.began + usual;
        tokio::select! {
            biased;
            chunk = calling.next() => return (calling, chunk),
            () = sleep_until(late) => {}
        }
        let other = if self.chain.hedges.withdraw() { self.call(true).await } else { None };
        let Some(mut other) = other else {
            let chunk = calling.next().await;
            return (calling, chunk);
        };
        tracing::debug!(endpoint = calling.candidate.endpoint.name, "slower than usual: the next is asked as well");
        let (winner, loser, chunk) = tokio::select! {
            chunk = calling.next() => (calling, other, chunk),
            chunk = other.next() => (other, calling, chunk),
        };
        match chunk {
            Ok(chunk) => {
                loser.outrun();
                (winner, Ok(chunk))
            }
            Err(failure) => {
                winner.failed(&failure);
                self.again |= consequence(failure.outcome).again;
                self.last = Some(failure);
                let mut left = loser;
                let chunk = left.next().await;
                (left, chunk)
            }
        }
    }

    fn give_up(&mut self) -> GaveUp {
        let rest = self.soonest.map(|soonest| self.chain.until(soonest));
        match self.last.take() {
            Some(failure) => GaveUp {
                message: failure.message,
                outcome: failure.outcome,
                again: self.again || self.soonest.is_some(),
                asked: true,
                retry_after: failure.retry_after.into_iter().chain(rest).min(),
            },
            None => GaveUp { retry_after: rest, ..GaveUp::without_asking("every provider of the chain rests") },
        }
    }
}

fn ended(calling: &mut Calling, incomplete: Option<Incomplete>) -> Said {
    Said::End(Ended {
        provider: calling.candidate.endpoint.provider.clone(),
        model: calling.candidate.model.clone(),
        usage: calling.usage(),
        incomplete,
    })
}
