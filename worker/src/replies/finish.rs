//! How attempts end: with a reply, a failure, a retry after a backoff, or handed back to other workers.
//!
//! Every statement here is fenced by the attempt's number: once a newer attempt runs, it changes nothing.
//! [`Attempt::end`] is the one place where an outcome becomes statements and events; storing always comes before
//! publishing.

use std::{sync::Arc, time::Duration};

use sqlx::error::DatabaseError;
use tokio::time::Instant;
use troupe_core::{
    events::Event,
    ids::MessageId,
    metrics::{ObserveTime, TierLabel},
    model::{
        Message, Role,
        providers::{Outcome, Try},
    },
    problem::{Problem, ProblemCode},
    trace,
};
use troupe_db::{
    replies::finish::{self, Ended, FinalState, Finished, HandBack, Reply, Retry},
    with_response_timeout,
};

use super::{
    attempt::{Attempt, AttemptOutcome},
    cpu_time,
    generator::ReplyGenerator,
    memory,
    retry_backoff::retry_backoff,
};
use crate::{
    metrics::REPLIES,
    providers::{ChainFailure, Completion},
    push,
};

/// Tries of the finish statement while PostgreSQL is away.
const MAX_FINISH_TRIES: u32 = 8;
/// Before the second try; doubled after each.
const FINISH_BACKOFF: Duration = Duration::from_millis(50);

/// The result of the finish statement.
enum Stored {
    Yes(Ended),
    /// PostgreSQL refuses the content.
    Refused(Arc<sqlx::Error>),
    /// Another attempt has ended the request, or will.
    Unknown,
}

impl AttemptOutcome {
    pub(super) fn failed_for_good(failure: &ChainFailure) -> Self {
        tracing::warn!(error = %failure, "failed for good");
        Self::Fail { problem: problem(failure), cause: failure.message.clone() }
    }
}

impl Attempt<'_> {
    pub(super) async fn end(&mut self, outcome: AttemptOutcome) {
        match outcome {
            AttemptOutcome::Done(completion) => self.complete(completion).await,
            AttemptOutcome::Retry { after, failure } => self.retry(after, &failure).await,
            AttemptOutcome::Fail { problem, cause } => self.fail(problem, cause).await,
            AttemptOutcome::HandBack => self.hand_back().await,
            AttemptOutcome::Overtaken => tracing::info!("overtaken by a newer attempt"),
        }
    }

    /// A retry with backoff; a failure for good where another attempt is no use, or there were enough.
    pub(super) fn retry_or_fail(&self, mut failure: ChainFailure) -> AttemptOutcome {
        let ReplyGenerator { money, settings, .. } = self.generator;
        let cost = cost_of(&self.trail);
        if money.exceeds_max_cost(self.claimed.cost + cost, cost) {
            failure.retryable = false;
            failure.message.push_str("; another attempt would cost more than worker.max_cost");
        }
        let attempts = self.counted();
        let waited = self.since_message();
        let enough = if failure.called {
            attempts >= settings.max_attempts
        } else {
            waited + failure.retry_after.unwrap_or_default() >= settings.max_wait
        };
        if !failure.retryable || enough {
            return AttemptOutcome::failed_for_good(&failure);
        }
        let after = retry_backoff(settings, attempts, failure.retry_after);
        tracing::warn!(error = %failure, pause = ?after, "trying again later");
        AttemptOutcome::Retry { after, failure }
    }

    async fn complete(&mut self, completion: Completion) {
        let Completion { provider, model, usage, incomplete } = completion;
        let message_id = MessageId::new();
        let content = self.writer.text().to_owned();
        let retrieval = self.retrieval.take();
        let reply = Reply {
            message_id,
            content: content.clone(),
            usage,
            provider: provider.clone(),
            model: model.clone(),
            incomplete,
            retrieval: retrieval.clone(),
        };
        let written = Instant::now();
        let Some(ended) = self.finish(FinalState::Completed(reply)).await else { return };
        let storing = written.elapsed();
        let message = Message {
            id: message_id,
            conversation_id: self.claimed.conversation_id,
            request_id: self.claimed.request_id,
            role: Role::Assistant,
            content,
            created_at: ended.at,
            turn: self.claimed.turn,
            branch: self.claimed.branch,
            variants: Vec::new(),
            outcome: None,
        };
        let correlation_id = self.claimed.correlation_id.clone();
        let event = Event::Completed { message, usage, provider, model, incomplete, retrieval, correlation_id };
        self.publish_end(&event, &ended).await;
        let tier = TierLabel { tier: self.claimed.tier.clone() };
        REPLIES.duration.get_or_create(&tier).observe_time(self.since_message());
        let microseconds = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let took_us = microseconds(self.writer.started().elapsed());
        let storing_us = microseconds(storing);
        let working_us = microseconds(cpu_time::used());
        tracing::info!(completion_tokens = usage.completion_tokens, took_us, storing_us, working_us, "replied");
        memory::remember(&self.generator.pool, &self.claimed).await;
    }

    async fn fail(&mut self, mut problem: Problem, cause: String) {
        problem.request_id = Some(self.claimed.correlation_id.clone());
        let state = FinalState::Failed { error: problem.clone(), cause };
        let Some(ended) = self.finish(state).await else { return };
        self.publish_failure(problem, &ended).await;
    }

    /// Ends the request in PostgreSQL; `None` where nothing is left to publish.
    async fn finish(&mut self, state: FinalState) -> Option<Ended> {
        let cost = cost_of(&self.trail);
        let trail = std::mem::take(&mut self.trail);
        match trace::span("finish").scope(self.store(cost, trail, state)).await {
            Stored::Yes(ended) => return Some(ended),
            Stored::Refused(error) => self.fail_unstored(&error, cost).await,
            Stored::Unknown => {}
        }
        None
    }

    /// Fails a request whose result PostgreSQL refuses for its content: every attempt would be refused. The stored
    /// failure has no content from outside.
    async fn fail_unstored(&mut self, refused: &sqlx::Error, cost: f64) {
        tracing::error!(error = %refused, "PostgreSQL refuses what this request would end with");
        let mut problem = Problem::new(ProblemCode::NotStorable, "the reply could not be stored");
        problem.request_id = Some(self.claimed.correlation_id.clone());
        let cause = "PostgreSQL refused the ending: see the worker's log".to_owned();
        let state = FinalState::Failed { error: problem.clone(), cause };
        match self.store(cost, Vec::new(), state).await {
            Stored::Yes(ended) => self.publish_failure(problem, &ended).await,
            Stored::Refused(error) => tracing::error!(%error, "nor could that be stored"),
            Stored::Unknown => {}
        }
    }

    /// Runs the finish statement; retries while PostgreSQL is away, for as long as the lease may hold.
    async fn store(&mut self, cost: f64, trail: Vec<Try>, state: FinalState) -> Stored {
        let finished =
            Finished { request_id: self.claimed.request_id, attempt: self.claimed.attempt, cost, trail, state };
        let mut pause = FINISH_BACKOFF;
        for tries in 0..MAX_FINISH_TRIES {
            let Some(answer) = self.generator.batches.finish(finished.clone()).await else {
                return Stored::Unknown;
            };
            match answer {
                Ok(Some(ended)) => return Stored::Yes(ended),
                Ok(None) => {
                    // The try before may have been stored and its answer lost. The next message is left to the sweeper
                    // then.
                    let stored = finish::finished_at(&self.generator.pool, finished.request_id, finished.attempt);
                    if tries > 0
                        && let Ok(Some(at)) = with_response_timeout(stored).await
                    {
                        return Stored::Yes(Ended { at, next: Vec::new() });
                    }
                    tracing::info!("overtaken at the end");
                    return Stored::Unknown;
                }
                Err(error) if is_refusal(&error) => return Stored::Refused(error),
                Err(error) => tracing::warn!(%error, "could not finish; trying again"),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        tracing::error!("could not finish: another attempt will, when the lease has run out");
        Stored::Unknown
    }

    async fn publish_failure(&mut self, problem: Problem, ended: &Ended) {
        let event = Event::Failed { error: problem, correlation_id: self.claimed.correlation_id.clone() };
        self.publish_end(&event, ended).await;
    }

    async fn publish_end(&mut self, event: &Event, ended: &Ended) {
        tokio::join!(self.writer.finish(event), self.generator.dispatch_next(ended));
        let ReplyGenerator { pool, bus, .. } = self.generator;
        push::tell_if_nobody_looks(pool, bus.as_ref(), &self.claimed, event.kind().as_str()).await;
    }

    async fn retry(&mut self, pause: Duration, failure: &ChainFailure) {
        let shown = self.writer.shown();
        self.writer.abandon().await;
        let retry = Retry {
            pause,
            shown,
            cause: &failure.message,
            cost: cost_of(&self.trail),
            trail: &self.trail,
            counts: failure.called,
        };
        let queued = finish::retry(&self.generator.pool, self.claimed.request_id, self.claimed.attempt, retry);
        match with_response_timeout(queued).await {
            Ok(true) => {}
            Ok(false) => tracing::info!("overtaken before the retry was queued"),
            Err(error) => tracing::warn!(%error, "could not queue the retry: the lease will run out"),
        }
    }

    /// Hands the request to another worker, ahead of every request that has not been started yet.
    async fn hand_back(&mut self) {
        let back = HandBack {
            shown: self.writer.shown(),
            cost: cost_of(&self.trail),
            trail: &self.trail,
            redispatch_after: self.generator.redispatch_after,
        };
        let handed_back = finish::hand_back(&self.generator.pool, self.claimed.request_id, self.claimed.attempt, back);
        match with_response_timeout(handed_back).await {
            Ok(Some(dispatch)) => match self.generator.jobs.enqueue_first(&dispatch).await {
                Ok(()) => tracing::info!("handed back"),
                Err(error) => tracing::warn!(%error, "handed back; the sweeper will dispatch it"),
            },
            Ok(None) => tracing::info!("overtaken before it was handed back"),
            Err(error) => tracing::warn!(%error, "could not hand back: the lease will run out"),
        }
    }
}

/// Whether an error is about the content: SQLSTATE's classes "data exception", "integrity constraint violation" and
/// "program limit exceeded".
fn is_refusal(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| ["22", "23", "54"].iter().any(|class| code.starts_with(class)))
}

/// The problem for the user. The service's own message may hold what is not for users, such as a part of our key.
fn problem(failure: &ChainFailure) -> Problem {
    let (code, detail) = match failure.outcome {
        Outcome::Filtered => (ProblemCode::ContentFiltered, "every model service withheld its reply"),
        Outcome::TooLong => (ProblemCode::PromptTooLong, "no model takes so long a message"),
        _ => (ProblemCode::ProviderFailed, "no model service gave a reply"),
    };
    Problem::new(code, detail).with_retryable(failure.retryable)
}

/// The persona was hidden while the message was queued.
pub(super) fn persona_hidden() -> Problem {
    Problem::new(ProblemCode::PersonaHidden, "this persona is hidden, and answers nobody")
}

pub(super) fn no_model_allowed() -> Problem {
    Problem::new(ProblemCode::NoModelAllowed, "your tier allows none of the models that could answer")
}

pub(super) fn cost_of(trail: &[Try]) -> f64 {
    trail.iter().map(|tried| tried.cost).sum()
}
