//! One attempt at a reply: prompt, stream, end.
//!
//! PostgreSQL decides at both ends. The claim made this attempt the running one, and its number is the fencing token:
//! the finish is void if a newer attempt runs. In between the lease is renewed by [`super::leases`], and the attempt
//! stops as soon as the lease is lost. It ends in an [`AttemptOutcome`], executed by [`super::finish`].

use std::{pin::pin, sync::Arc, time::Duration};

use futures::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use troupe_core::{
    metrics::{Held, ObserveTime, TierLabel},
    model::{
        grounding::Grounding,
        providers::{Outcome, Try},
    },
    problem::{Problem, ProblemCode},
};
use troupe_db::replies::claim::Claimed;

use super::{
    cache::CachedReply,
    event_writer::{EventWriter, Overtaken},
    finish::{cost_of, no_model_allowed, persona_hidden},
    generator::{CacheHit, Funded, ReplyGenerator},
    lore::Receipt,
    prompts::Sourced,
};
use crate::{
    metrics::{AttemptLabels, REPLIES},
    money::NotReserved,
    providers::{Candidate, Chain, ChainFailure, Completion, Failover, ReplyChunk, Trail, prompt::Prompt},
};

/// Failures that are meant to be, by budgets, tiers and moderation.
const BY_RULE: [ProblemCode; 3] =
    [ProblemCode::BudgetExhausted, ProblemCode::PersonaHidden, ProblemCode::NoModelAllowed];

pub(super) struct Attempt<'a> {
    pub(super) generator: &'a ReplyGenerator,
    pub(super) claimed: Claimed,
    pub(super) writer: EventWriter,
    /// The calls of providers.
    pub(super) trail: Vec<Try>,
    /// The retrieved passages, where the persona has any.
    pub(super) retrieval: Option<Grounding>,
    /// Whether the text of an earlier attempt stands, and this one goes on from it.
    resumes: bool,
    /// Cancelled when the lease is lost.
    lost: CancellationToken,
}

/// The outcome of an attempt.
pub(super) enum AttemptOutcome {
    Done(Completion),
    Retry {
        after: Duration,
        failure: ChainFailure,
    },
    /// For good. The problem is for the user, the cause for operators.
    Fail {
        problem: Problem,
        cause: String,
    },
    /// This process stops: another worker starts over at once, and the attempt does not count.
    HandBack,
    /// A newer attempt runs: this one must leave no trace.
    Overtaken,
}

impl AttemptOutcome {
    /// As metrics and traces name it.
    fn name(&self) -> &'static str {
        match self {
            Self::Done(_) => "completed",
            Self::Retry { .. } => "retried",
            // As it was set: nobody has to look at it.
            Self::Fail { problem, .. } if BY_RULE.iter().any(|code| code.name() == problem.code()) => "declined",
            Self::Fail { .. } => "failed",
            Self::HandBack => "handed_back",
            Self::Overtaken => "overtaken",
        }
    }
}

/// What became of an attempt, for those who look after it.
pub(super) struct Ended {
    pub(super) name: &'static str,
    pub(super) is_failure: bool,
    pub(super) claimed: Claimed,
}

/// The result of streaming a reply.
enum Written {
    Whole(Completion),
    Failed(ChainFailure),
    Overtaken,
    HandBack,
}

struct Generated {
    outcome: AttemptOutcome,
    cacheable: Option<Cacheable>,
}

impl From<AttemptOutcome> for Generated {
    fn from(outcome: AttemptOutcome) -> Self {
        Self { outcome, cacheable: None }
    }
}

/// A reply for the cache, with its key.
struct Cacheable {
    reply: CachedReply,
    prompt: Arc<Prompt>,
    candidates: Vec<Candidate>,
}

impl<'a> Attempt<'a> {
    pub(super) async fn begin(generator: &'a ReplyGenerator, mut claimed: Claimed, lost: CancellationToken) -> Self {
        let coalesce = generator.settings.coalesce;
        let shown = generator.text_to_keep(&claimed).await;
        let writer =
            EventWriter::new(generator.bus.clone(), generator.clock.clone(), &claimed, coalesce, shown.as_deref());
        let resumes = shown.is_some();
        claimed.continues = shown.or(claimed.continues);
        Self { generator, claimed, writer, trail: Vec::new(), retrieval: None, resumes, lost }
    }

    pub(super) async fn run(mut self) -> Ended {
        tracing::debug!(persona = self.claimed.persona.name, "replying");
        let _running = Held::of(&REPLIES.running);
        let tier = self.claimed.tier.clone();
        if self.claimed.attempt == 1 {
            REPLIES.wait.get_or_create(&TierLabel { tier: tier.clone() }).observe_time(self.since_message());
        }
        let Generated { outcome, cacheable } = self.generate().await;
        let name = outcome.name();
        REPLIES.attempts.get_or_create(&AttemptLabels { tier, outcome: name }).inc();
        self.end(outcome).await;
        // Last: the user does not wait for the cache.
        if let Some(Cacheable { reply, prompt, candidates }) = cacheable {
            let links = Chain::links(&candidates);
            let query = self.generator.cache_query(&self.claimed, &prompt, &links);
            self.generator.cache.store(&query, &reply).await;
        }
        Ended { name, is_failure: ["retried", "failed"].contains(&name), claimed: self.claimed }
    }

    /// Streams the reply into the event log, from the cache or from a provider.
    async fn generate(&mut self) -> Generated {
        let generator = self.generator;
        if self.counted() > generator.settings.max_attempts {
            // Stops a poison job from crashing worker after worker: the attempts before were lost with their workers.
            let failure = ChainFailure::without_call("every attempt was lost with its worker");
            return AttemptOutcome::failed_for_good(&failure).into();
        }
        if self.claimed.persona.hidden {
            let cause = "its persona is hidden".to_owned();
            return AttemptOutcome::Fail { problem: persona_hidden(), cause }.into();
        }
        let prompt = Arc::new(self.prompt().await);
        let candidates = generator.chain.candidates(&self.claimed);
        if candidates.is_empty() {
            let cause = "the tier allows no link of the chain".to_owned();
            return AttemptOutcome::Fail { problem: no_model_allowed(), cause }.into();
        }
        if let Some(CacheHit { reply, tried }) = generator.find_cached(&self.claimed, &prompt, &candidates).await {
            REPLIES.cached.inc();
            let written = self.write(reply.replay()).await;
            self.trail = vec![tried];
            return self.outcome(written).into();
        }
        let Funded { reservation, candidates } = match generator.reserve(&self.claimed, &prompt, candidates).await {
            Ok(funded) => funded,
            Err(NotReserved::Exhausted(budget)) => {
                return AttemptOutcome::Fail { problem: budget.problem(), cause: budget.to_string() }.into();
            }
            Err(error) => return self.retry_or_fail(ChainFailure::without_call(&error.to_string())).into(),
        };
        let written = self.ask_providers(&prompt, &candidates).await;
        generator.money.record_spending(reservation, cost_of(&self.trail)).await;
        let reply = self.cacheable_reply(&written);
        let cacheable = reply.map(|reply| Cacheable { reply, prompt, candidates });
        Generated { outcome: self.outcome(written), cacheable }
    }

    async fn prompt(&mut self) -> Prompt {
        let generator = self.generator;
        let Sourced { assembly, retrieved, .. } = generator.prompts.assemble(&self.claimed, Receipt::Stored).await;
        if let Some(retrieved) = &retrieved {
            generator.health_board.count_look_up(retrieved.mode);
        }
        self.retrieval = retrieved.map(|retrieved| retrieved.grounding());
        assembly.into_prompt()
    }

    async fn ask_providers(&mut self, prompt: &Arc<Prompt>, candidates: &[Candidate]) -> Written {
        let trail = Trail::default();
        let when_cut = self.claimed.persona.when_cut;
        let chain = self.generator.chain.clone();
        let mut failover = Failover::new(chain, prompt.clone(), candidates.to_vec(), when_cut, trail.clone());
        if self.claimed.options.is_some() {
            failover = failover.keeping_text();
        }
        let written = self.write(failover.into_stream()).await;
        self.trail = trail.take();
        written
    }

    /// Writes the stream to the event log until its end, unless the lease is lost or the process must stop.
    async fn write(&mut self, chunks: impl Stream<Item = Result<ReplyChunk, ChainFailure>>) -> Written {
        let mut chunks = pin!(chunks);
        loop {
            let chunk = tokio::select! {
                biased;
                () = self.lost.cancelled() => return Written::Overtaken,
                () = self.generator.hand_back.cancelled() => return Written::HandBack,
                chunk = chunks.next() => chunk,
                Overtaken = self.writer.work() => return Written::Overtaken,
            };
            match chunk {
                Some(Ok(ReplyChunk::Text(text))) => {
                    if self.writer.new_text().is_empty() && !self.claimed.shown {
                        let tier = TierLabel { tier: self.claimed.tier.clone() };
                        REPLIES.first_text.get_or_create(&tier).observe_time(self.since_message());
                    }
                    self.writer.push(&text);
                }
                Some(Ok(ReplyChunk::Retracted)) => self.writer.retract(),
                // One that was cut off at its very end has nothing to add.
                Some(Ok(ReplyChunk::End(_))) if self.writer.new_text().trim().is_empty() && !self.resumes => {
                    return Written::Failed(ChainFailure::after_call("the model said nothing but white space"));
                }
                Some(Ok(ReplyChunk::End(completion))) => return Written::Whole(completion),
                Some(Err(failure)) => return Written::Failed(failure),
                None => return Written::Failed(ChainFailure::after_call("the reply had no end")),
            }
        }
    }

    /// A complete reply by a model, if the persona's replies are cached. A declined one is not cached.
    fn cacheable_reply(&self, written: &Written) -> Option<CachedReply> {
        if !self.claimed.persona.cache_replies || self.claimed.continues.is_some() {
            return None;
        }
        let Written::Whole(Completion { provider, model, usage, incomplete: None }) = written else { return None };
        let completed = self.trail.last().is_some_and(|tried| tried.outcome == Outcome::Completed);
        completed.then(|| CachedReply {
            text: self.writer.text().to_owned(),
            usage: *usage,
            provider: provider.clone(),
            model: model.clone(),
        })
    }

    fn outcome(&self, written: Written) -> AttemptOutcome {
        match written {
            Written::Whole(completion) => AttemptOutcome::Done(completion),
            Written::Failed(failure) => self.retry_or_fail(failure),
            Written::Overtaken => AttemptOutcome::Overtaken,
            Written::HandBack => AttemptOutcome::HandBack,
        }
    }

    /// Since the user sent the message.
    pub(super) fn since_message(&self) -> Duration {
        (self.generator.clock.now() - self.claimed.created_at).to_std().unwrap_or_default()
    }

    /// The number of this attempt, among those that count against `worker.max_attempts`.
    pub(super) fn counted(&self) -> u32 {
        u32::try_from(self.claimed.attempt - self.claimed.waits).unwrap_or(u32::MAX)
    }
}
