//! How attempts end: with a reply, a failure, another attempt later, or in other hands.

use std::{sync::Arc, time::Duration};

use sqlx::error::DatabaseError;
use tokio::time::Instant;
use troupe_core::{
    config,
    events::Event,
    ids::MessageId,
    model::{
        Message, Role,
        grounding::Grounding,
        providers::{Outcome, Try},
    },
    problem::Problem,
};
use troupe_db::replies::{
    claim::Claimed,
    finish::{self, Ended, Ending, Finished, GivenBack, HandedBack, Reply},
};

use super::{attempt::Replies, cpu_time, event_writer::ReplyWriter, memory};
use crate::providers::{Ended as Spoken, GaveUp};

/// Tries of a statement that ends an attempt, while PostgreSQL is away.
const FINISH_TRIES: u32 = 8;

/// What became of an ending.
enum Stored {
    Yes(Ended),
    /// PostgreSQL refuses it for what is in it.
    Never(Arc<sqlx::Error>),
    /// Somebody else ends the request, or will.
    Unknown,
}

impl Replies {
    pub(super) async fn complete(
        &self,
        claimed: &Claimed,
        spoken: Spoken,
        trail: Vec<Try>,
        retrieval: Option<Grounding>,
        writer: ReplyWriter,
    ) {
        let message_id = MessageId::new();
        let Spoken { provider, model, usage, incomplete } = spoken;
        let content = writer.text().to_owned();
        let reply = Reply {
            message_id,
            content,
            usage,
            provider: provider.clone(),
            model: model.clone(),
            incomplete,
            retrieval: retrieval.clone(),
        };
        let (began, written) = (writer.started(), Instant::now());
        let ending = Ending::Completed(reply);
        let Some((ended, writer)) = self.finish(claimed, trail, ending, writer).await else { return };
        let storing = written.elapsed();
        let message = Message {
            id: message_id,
            conversation_id: claimed.conversation_id,
            request_id: claimed.request_id,
            role: Role::Assistant,
            content: writer.text().to_owned(),
            created_at: ended.at,
        };
        let correlation_id = claimed.correlation_id.clone();
        let event = Event::Completed { message, usage, provider, model, incomplete, retrieval, correlation_id };
        self.tell_end(writer, &event, ended).await;
        let microseconds = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let [took_us, storing_us, working_us] = [began.elapsed(), storing, cpu_time::so_far()].map(microseconds);
        tracing::info!(completion_tokens = usage.completion_tokens, took_us, storing_us, working_us, "replied");
        memory::keep(&self.pool, claimed).await;
    }

    pub(super) async fn retry_or_fail(
        &self,
        claimed: &Claimed,
        mut error: GaveUp,
        trail: Vec<Try>,
        writer: ReplyWriter,
    ) {
        let cost = cost_of(&trail);
        if self.money.forbids(claimed.cost + cost, cost) {
            error.again = false;
            error.message.push_str("; another attempt would cost more than worker.max_cost");
        }
        let attempts = counted_attempts(claimed);
        let waited = (self.clock.now() - claimed.created_at).to_std().unwrap_or_default();
        let enough = if error.asked {
            attempts >= self.settings.max_attempts
        } else {
            waited + error.retry_after.unwrap_or_default() >= self.settings.max_wait
        };
        if !error.again || enough {
            return self.fail(claimed, &error, trail, writer).await;
        }
        let pause = pause(&self.settings, attempts, error.retry_after);
        tracing::warn!(%error, ?pause, "trying again later");
        let shown = writer.shown();
        writer.abandon().await;
        let back = GivenBack { pause, shown, cause: &error.message, cost, trail: &trail, counts: error.asked };
        self.give_back(claimed, back).await;
    }

    pub(super) async fn fail(&self, claimed: &Claimed, error: &GaveUp, trail: Vec<Try>, writer: ReplyWriter) {
        tracing::warn!(%error, "failed for good");
        self.fail_with(claimed, problem(error), error.message.clone(), trail, writer).await;
    }

    pub(super) async fn fail_with(
        &self,
        claimed: &Claimed,
        mut problem: Problem,
        cause: String,
        trail: Vec<Try>,
        writer: ReplyWriter,
    ) {
        problem.request_id = Some(claimed.correlation_id.clone());
        let ending = Ending::Failed { error: problem.clone(), cause };
        let Some((ended, writer)) = self.finish(claimed, trail, ending, writer).await else { return };
        let event = Event::Failed { error: problem, correlation_id: claimed.correlation_id.clone() };
        self.tell_end(writer, &event, ended).await;
    }

    /// Stores an ending that is to be told; `None` where there is nothing to tell any more.
    async fn finish(
        &self,
        claimed: &Claimed,
        trail: Vec<Try>,
        ending: Ending,
        writer: ReplyWriter,
    ) -> Option<(Ended, ReplyWriter)> {
        let cost = cost_of(&trail);
        match self
            .store(Finished { request_id: claimed.request_id, attempt: claimed.attempt, cost, trail, ending })
            .await
        {
            Stored::Yes(ended) => return Some((ended, writer)),
            Stored::Never(error) => self.fail_unstored(claimed, &error, cost, writer).await,
            Stored::Unknown => {}
        }
        None
    }

    /// Fails a request whose ending PostgreSQL refuses for what is in it: every attempt would come to the same end. What is stored
    /// instead holds nothing that came from outside.
    async fn fail_unstored(&self, claimed: &Claimed, refused: &sqlx::Error, cost: f64, writer: ReplyWriter) {
        tracing::error!(error = %refused, "PostgreSQL refuses what this request would end with");
        let mut problem = Problem::new(500, "not_storable", "the reply is lost", "the reply could not be stored");
        problem.request_id = Some(claimed.correlation_id.clone());
        let cause = "PostgreSQL refused the ending: see the worker's log".to_owned();
        let ending = Ending::Failed { error: problem.clone(), cause };
        let (request_id, attempt) = (claimed.request_id, claimed.attempt);
        match self.store(Finished { request_id, attempt, cost, trail: Vec::new(), ending }).await {
            Stored::Yes(ended) => {
                let event = Event::Failed { error: problem, correlation_id: claimed.correlation_id.clone() };
                self.tell_end(writer, &event, ended).await;
            }
            Stored::Never(error) => tracing::error!(%error, "nor could that be stored"),
            Stored::Unknown => {}
        }
    }

    /// Ends the request in PostgreSQL; tries again while it is away, for as long as the lease may hold.
    async fn store(&self, finished: Finished) -> Stored {
        let mut pause = Duration::from_millis(50);
        for tries in 0..FINISH_TRIES {
            let Some(answer) = self.statements.finishes.call(finished.clone()).await else { return Stored::Unknown };
            match answer {
                Ok(Some(ended)) => return Stored::Yes(ended),
                Ok(None) => {
                    // The try before may have been stored, and its answer lost. What comes next is left to the sweeper then.
                    let stored = finish::ended(&self.pool, finished.request_id, finished.attempt);
                    if tries > 0
                        && let Ok(Some(at)) = stored.await
                    {
                        return Stored::Yes(Ended { at, next: Vec::new() });
                    }
                    tracing::info!("overtaken at the end");
                    return Stored::Unknown;
                }
                Err(error) if is_refusal(&error) => return Stored::Never(error),
                Err(error) => tracing::warn!(%error, "could not finish; trying again"),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        tracing::error!("could not finish: another attempt will, when the lease has run out");
        Stored::Unknown
    }

    async fn tell_end(&self, writer: ReplyWriter, event: &Event, ended: Ended) {
        let dispatch = async {
            if let Err(error) = self.jobs.enqueue(&ended.next).await {
                tracing::warn!(%error, "the sweeper will hand over the next message");
            }
        };
        tokio::join!(writer.finish(event), dispatch);
    }

    /// To another worker, ahead of all that has not been under way yet.
    pub(super) async fn hand_back(&self, claimed: &Claimed, trail: &[Try], shown: bool) {
        let redispatch_after = self.redispatch_after;
        let back = HandedBack { shown, cost: cost_of(trail), trail, redispatch_after };
        match finish::hand_back(&self.pool, claimed.request_id, claimed.attempt, back).await {
            Ok(Some(dispatch)) => match self.jobs.enqueue_first(&dispatch).await {
                Ok(()) => tracing::info!("handed back"),
                Err(error) => tracing::warn!(%error, "handed back; the sweeper will hand it over"),
            },
            Ok(None) => tracing::info!("overtaken before it was handed back"),
            Err(error) => tracing::warn!(%error, "could not hand back: the lease will run out"),
        }
    }

    async fn give_back(&self, claimed: &Claimed, back: GivenBack<'_>) {
        match finish::give_back(&self.pool, claimed.request_id, claimed.attempt, back).await {
            Ok(true) => {}
            Ok(false) => tracing::info!("overtaken before it was given back"),
            Err(error) => tracing::warn!(%error, "could not give back: the lease will run out"),
        }
    }
}

/// Whether an error is about what was to be stored: of SQLSTATE's classes, "data exception", "integrity constraint violation" and
/// "program limit exceeded".
fn is_refusal(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| ["22", "23", "54"].iter().any(|class| code.starts_with(class)))
}

/// What a user is told. What the service said may hold what is not for users, such as a part of our key.
fn problem(error: &GaveUp) -> Problem {
    let told = match error.outcome {
        Outcome::Filtered => ("content_filtered", "the reply was withheld", "every model service withheld its reply"),
        Outcome::TooLong => ("prompt_too_long", "the message is too long", "no model takes so long a message"),
        _ => ("provider_failed", "the model service failed", "no model service gave a reply"),
    };
    let (code, title, detail) = told;
    Problem::new(502, code, title, detail).retryable(error.again)
}

/// It was hidden while the message waited.
pub(super) fn persona_hidden() -> Problem {
    Problem::new(409, "persona_hidden", "conflict", "this persona is hidden, and answers nobody")
}

pub(super) fn no_model_allowed() -> Problem {
    let detail = "your tier allows none of the models that could answer";
    Problem::new(403, "no_model_allowed", "no model allowed", detail)
}

pub(super) fn cost_of(trail: &[Try]) -> f64 {
    trail.iter().map(|tried| tried.cost).sum()
}

/// The number of this attempt, among those that count.
pub(super) fn counted_attempts(claimed: &Claimed) -> u32 {
    u32::try_from(claimed.attempt - claimed.waits).unwrap_or(u32::MAX)
}

/// The pause before the attempt after this one: doubled each time, and somewhere in its upper half, so that what failed
/// together does not come back together; longer where a service asked for it; never above the cap.
fn pause(settings: &config::Worker, attempts: u32, asked: Option<Duration>) -> Duration {
    let doublings = attempts.saturating_sub(1).min(20);
    let whole = settings.retry_base.saturating_mul(1 << doublings).min(settings.retry_cap);
    let jittered = whole.mul_f64(0.5 + fastrand::f64() / 2.0);
    jittered.max(asked.unwrap_or_default().min(settings.retry_cap))
}
