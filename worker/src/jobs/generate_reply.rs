//! Writes one reply: claim, prompt, stream, finish.
//!
//! PostgreSQL decides at both ends. The claim makes this attempt the running one; the finish counts only while it still is.
//! In between the lease is renewed elsewhere ([`crate::leases`]), and the attempt stops at once when it learns that it was
//! overtaken. Whatever happens, the job itself is done afterwards: retries are dispatched from PostgreSQL.

use std::{pin::pin, sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use troupe_shared::{
    clock::Clock,
    config,
    db::attempts::{self, Claimed, Ended, Ending, Finished, GivenBack, Reply},
    events::Event,
    ids::MessageId,
    jobs::GenerateReply,
    model::{Message, Role, Usage},
    ports::{EventBus, JobQueue},
    problem::Problem,
};

use crate::{
    cost::Costs,
    leases::Leases,
    providers::{ChatModel, Chunk, ModelError},
    reply::{
        prompt::{Prompt, estimate_tokens},
        writer::{Overtaken, ReplyWriter},
    },
    statements::Statements,
};

/// Tries of a statement that ends an attempt, while PostgreSQL is away.
const FINISH_TRIES: u32 = 8;

pub(crate) struct Replies {
    pub(crate) pool: PgPool,
    pub(crate) statements: Statements,
    pub(crate) bus: Arc<dyn EventBus>,
    pub(crate) jobs: Arc<dyn JobQueue>,
    pub(crate) model: Arc<dyn ChatModel>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) leases: Leases,
    pub(crate) settings: config::Worker,
    pub(crate) costs: Costs,
    pub(crate) redispatch_after: Duration,
    /// Cancelled when this process must go: what runs is given to others.
    pub(crate) hand_back: CancellationToken,
}

/// How the writing went.
enum Written {
    Whole(Usage),
    Broken(ModelError),
    /// Another attempt runs: this one must leave no trace.
    Overtaken,
    HandedBack,
}

impl Replies {
    pub(crate) async fn generate(&self, job: GenerateReply) {
        let GenerateReply { request_id } = job;
        let claimed = match self.statements.claims.call(request_id).await {
            Some(Ok(Some(claimed))) => claimed,
            Some(Ok(None)) => return tracing::debug!(%request_id, "nothing to do"),
            // The sweeper hands it over again.
            Some(Err(error)) => return tracing::warn!(%request_id, %error, "could not claim"),
            None => return,
        };
        let span = tracing::info_span!("reply", %request_id, attempt = claimed.attempt, correlation_id = claimed.correlation_id);
        let lost = self.leases.hold(request_id, claimed.attempt).await;
        self.attempt(&claimed, &lost).instrument(span).await;
        self.leases.release(request_id, claimed.attempt).await;
    }

    async fn attempt(&self, claimed: &Claimed, lost: &CancellationToken) {
        tracing::debug!(persona = claimed.persona_name, "replying");
        let mut writer = ReplyWriter::new(self.bus.clone(), self.clock.clone(), claimed, self.settings.coalesce);
        if attempt_number(claimed) > self.settings.max_attempts {
            // Those before it were lost with their workers. One that takes its worker down must not do so for ever.
            let error = ModelError::transient("every attempt was lost with its worker");
            return self.fail(claimed, &error, 0.0, writer).await;
        }
        let prompt = Prompt::assemble(claimed, self.settings.prompt_tokens);
        match self.write(&prompt, &mut writer, lost).await {
            Written::Whole(usage) => self.complete(claimed, &prompt, usage, writer).await,
            Written::Broken(error) => self.retry_or_fail(claimed, &prompt, error, writer).await,
            Written::HandedBack => self.hand_back(claimed, self.cost_of(&prompt, &writer), writer.shown()).await,
            Written::Overtaken => tracing::info!("overtaken by a newer attempt"),
        }
    }

    /// Streams the model's words into the writer.
    async fn write(&self, prompt: &Prompt, writer: &mut ReplyWriter, lost: &CancellationToken) -> Written {
        let mut chunks = pin!(stream::once(self.model.stream(prompt)).try_flatten());
        let mut usage = None;
        loop {
            let chunk = tokio::select! {
                biased;
                () = lost.cancelled() => return Written::Overtaken,
                () = self.hand_back.cancelled() => return Written::HandedBack,
                chunk = chunks.next() => chunk,
                Overtaken = writer.work() => return Written::Overtaken,
            };
            match chunk {
                Some(Ok(Chunk::Text(text))) => writer.push(&text),
                Some(Ok(Chunk::Usage(reported))) => usage = Some(reported),
                Some(Ok(Chunk::End)) if writer.text().trim().is_empty() => {
                    return Written::Broken(ModelError::transient("the model service sent an empty reply"));
                }
                Some(Ok(Chunk::End)) => {
                    return Written::Whole(usage.unwrap_or_else(|| estimate(prompt, writer.text())));
                }
                Some(Err(error)) => return Written::Broken(error),
                None => {
                    return Written::Broken(ModelError::transient(
                        "the model service broke off in the middle of the reply",
                    ));
                }
            }
        }
    }

    async fn complete(&self, claimed: &Claimed, prompt: &Prompt, usage: Usage, writer: ReplyWriter) {
        let message_id = MessageId::new();
        let (provider, model) = (self.model.name(), self.model.model(prompt));
        let reply = Reply {
            message_id,
            content: writer.text().to_owned(),
            usage,
            provider: provider.to_owned(),
            model: model.to_owned(),
        };
        let cost = self.costs.of(usage);
        let Some(ended) = self.finish(claimed, cost, Ending::Completed(reply)).await else { return };
        let message = Message {
            id: message_id,
            conversation_id: claimed.conversation_id,
            request_id: claimed.request_id,
            role: Role::Assistant,
            content: writer.text().to_owned(),
            created_at: ended.at,
        };
        let event = Event::Completed {
            message,
            usage,
            provider: provider.to_owned(),
            model: model.to_owned(),
            correlation_id: claimed.correlation_id.clone(),
        };
        self.tell_end(writer, &event, ended).await;
        tracing::info!(completion_tokens = usage.completion_tokens, "replied");
    }

    async fn retry_or_fail(&self, claimed: &Claimed, prompt: &Prompt, mut error: ModelError, writer: ReplyWriter) {
        let cost = self.cost_of(prompt, &writer);
        if self.costs.forbid(claimed.cost + cost, self.costs.of(estimate(prompt, ""))) {
            error.transient = false;
            error.message.push_str("; another attempt would cost more than worker.max_cost");
        }
        if !error.transient || attempt_number(claimed) >= self.settings.max_attempts {
            return self.fail(claimed, &error, cost, writer).await;
        }
        let pause = pause(&self.settings, claimed, &error);
        tracing::warn!(%error, ?pause, "trying again later");
        let shown = writer.shown();
        writer.abandon().await;
        self.give_back(claimed, GivenBack { pause, shown, cause: &error.message, cost }).await;
    }

    /// Of an attempt that has not come to its end: nothing, if the model has said nothing.
    fn cost_of(&self, prompt: &Prompt, writer: &ReplyWriter) -> f64 {
        if writer.text().is_empty() { 0.0 } else { self.costs.of(estimate(prompt, writer.text())) }
    }

    async fn fail(&self, claimed: &Claimed, error: &ModelError, cost: f64, writer: ReplyWriter) {
        tracing::warn!(%error, "failed for good");
        // What the service said may hold what is not for users, such as a part of our key.
        let detail = "no model service gave a reply";
        let mut problem =
            Problem::new(502, "provider_failed", "the model service failed", detail).retryable(error.transient);
        problem.request_id = Some(claimed.correlation_id.clone());
        let ending = Ending::Failed { error: problem.clone(), cause: error.message.clone() };
        let Some(ended) = self.finish(claimed, cost, ending).await else { return };
        let event = Event::Failed { error: problem, correlation_id: claimed.correlation_id.clone() };
        self.tell_end(writer, &event, ended).await;
    }

    /// Ends the request in PostgreSQL; tries again while it is away, for as long as the lease may hold.
    async fn finish(&self, claimed: &Claimed, cost: f64, ending: Ending) -> Option<Ended> {
        let finished = Finished { request_id: claimed.request_id, attempt: claimed.attempt, cost, ending };
        let mut pause = Duration::from_millis(50);
        for tries in 0..FINISH_TRIES {
            match self.statements.finishes.call(finished.clone()).await? {
                Ok(Some(ended)) => return Some(ended),
                Ok(None) => {
                    // The try before may have been stored, and its answer lost. What comes next is left to the sweeper then.
                    let stored = attempts::ended(&self.pool, claimed.request_id, claimed.attempt);
                    if tries > 0
                        && let Ok(Some(at)) = stored.await
                    {
                        return Some(Ended { at, next: Vec::new() });
                    }
                    tracing::info!("overtaken at the end");
                    return None;
                }
                Err(error) => tracing::warn!(%error, "could not finish; trying again"),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        tracing::error!("could not finish: another attempt will, when the lease has run out");
        None
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
    async fn hand_back(&self, claimed: &Claimed, cost: f64, shown: bool) {
        let (id, attempt) = (claimed.request_id, claimed.attempt);
        match attempts::hand_back(&self.pool, id, attempt, cost, shown, self.redispatch_after).await {
            Ok(Some(dispatch)) => match self.jobs.enqueue_first(&dispatch).await {
                Ok(()) => tracing::info!("handed back"),
                Err(error) => tracing::warn!(%error, "handed back; the sweeper will hand it over"),
            },
            Ok(None) => tracing::info!("overtaken before it was handed back"),
            Err(error) => tracing::warn!(%error, "could not hand back: the lease will run out"),
        }
    }

    async fn give_back(&self, claimed: &Claimed, back: GivenBack<'_>) {
        match attempts::give_back(&self.pool, claimed.request_id, claimed.attempt, back).await {
            Ok(true) => {}
            Ok(false) => tracing::info!("overtaken before it was given back"),
            Err(error) => tracing::warn!(%error, "could not give back: the lease will run out"),
        }
    }
}

fn estimate(prompt: &Prompt, reply: &str) -> Usage {
    let count = |tokens: usize| u32::try_from(tokens).unwrap_or(u32::MAX);
    Usage { prompt_tokens: count(prompt.tokens()), completion_tokens: count(estimate_tokens(reply)), estimated: true }
}

fn attempt_number(claimed: &Claimed) -> u32 {
    u32::try_from(claimed.attempt).unwrap_or(u32::MAX)
}

/// The pause before the attempt after this one: doubled each time, and somewhere in its upper half, so that what failed
/// together does not come back together; longer where the service asked for it; never above the cap.
fn pause(settings: &config::Worker, claimed: &Claimed, error: &ModelError) -> Duration {
    let doublings = attempt_number(claimed).saturating_sub(1).min(20);
    let whole = settings.retry_base.saturating_mul(1 << doublings).min(settings.retry_cap);
    let jittered = whole.mul_f64(0.5 + fastrand::f64() / 2.0);
    jittered.max(error.retry_after.unwrap_or_default().min(settings.retry_cap))
}
