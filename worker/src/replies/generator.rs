//! The handler of the job [`GenerateReply`]: claims the request, holds its lease, and runs one [`Attempt`] at it.
//!
//! Whatever the attempt's outcome, the job is acknowledged: retries are dispatched from PostgreSQL, not by the queue.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use sqlx::PgPool;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, field};
use troupe_core::{
    clock::Clock,
    config,
    events::Transcript,
    jobs::GenerateReply,
    model::providers::{Link, OverBudget, Try},
    ports::{EventBus, JobQueue},
    trace::{self, Kind, Span, SpanId},
};
use troupe_db::replies::{claim::Claimed, finish};

use super::{
    attempt::{Attempt, Ended},
    batches::ReplyBatches,
    cache::{CacheQuery, CachedReply, ReplyCache},
    cpu_time,
    leases::Leases,
    prompts::Prompts,
};
use crate::{
    money::{Money, NotReserved, Reservation, Spender},
    providers::{Candidate, Chain, HealthBoard, prompt::Prompt},
};

/// The dependencies of replies.
pub(crate) struct ReplyGenerator {
    pub(crate) pool: PgPool,
    pub(crate) batches: ReplyBatches,
    pub(crate) bus: Arc<dyn EventBus>,
    pub(crate) jobs: Arc<dyn JobQueue>,
    pub(crate) chain: Arc<Chain>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) leases: Leases,
    pub(crate) settings: config::Worker,
    pub(crate) money: Arc<Money>,
    pub(crate) cache: ReplyCache,
    pub(crate) prompts: Arc<Prompts>,
    pub(crate) health_board: Arc<HealthBoard>,
    pub(crate) redispatch_after: Duration,
    /// Cancelled when this process must stop: running replies are handed back to other workers.
    pub(crate) hand_back: CancellationToken,
}

/// The candidates that a reservation pays for.
pub(super) struct Funded {
    pub(super) reservation: Reservation,
    pub(super) candidates: Vec<Candidate>,
}

/// A reply from the cache, and its entry in the trail.
pub(super) struct CacheHit {
    pub(super) reply: CachedReply,
    pub(super) tried: Try,
}

impl ReplyGenerator {
    pub(crate) async fn generate(&self, job: GenerateReply) {
        let GenerateReply { request_id } = job;
        let claim_began = SystemTime::now();
        let claimed = match self.batches.claim(request_id).await {
            Some(Ok(Some(claimed))) => claimed,
            Some(Ok(None)) => return tracing::debug!(%request_id, "nothing to do"),
            // The sweeper dispatches it again.
            Some(Err(error)) => return tracing::warn!(%request_id, %error, "could not claim"),
            None => return,
        };
        let attempt = claimed.attempt;
        let span = tracing::info_span!("reply", %request_id, attempt, correlation_id = claimed.correlation_id,
            trace_id = field::Empty);
        let mut traced = begin_trace(&claimed, claim_began);
        if let Some(context) = traced.context() {
            span.record("trace_id", field::display(context.as_parent().trace));
        }
        let lost = self.leases.hold(request_id, attempt).await;
        let work = async { Attempt::begin(self, claimed, lost).await.run().await };
        let ended = traced.scope(cpu_time::measured(work).instrument(span)).await;
        if ended.is_failure {
            traced.fail(ended.name);
        }
        traced.describe(|span| describe(span, &ended));
        self.leases.release(request_id, attempt).await;
    }

    /// What an earlier attempt has shown to readers from whom no text can be taken back. Its log is sealed: it shows no
    /// more.
    pub(super) async fn text_to_keep(&self, claimed: &Claimed) -> Option<String> {
        if !claimed.shown || claimed.options.is_none() {
            return None;
        }
        let earlier = u32::try_from(claimed.attempt).unwrap_or_default().saturating_sub(1);
        match self.bus.seal(claimed.user_id, claimed.request_id, earlier).await {
            Ok(log) => Some(Transcript::of(&log).text).filter(|text| !text.is_empty()),
            Err(error) => {
                tracing::warn!(%error, "what was shown is not known: the reply begins anew");
                None
            }
        }
    }

    /// A cache hit, if the persona takes replies from the cache.
    pub(super) async fn find_cached(
        &self,
        claimed: &Claimed,
        prompt: &Prompt,
        candidates: &[Candidate],
    ) -> Option<CacheHit> {
        if !claimed.persona.cache_replies || claimed.continues.is_some() {
            return None;
        }
        let began = Instant::now();
        let reply = self.cache.find(&self.cache_query(claimed, prompt, &Chain::links(candidates))).await?;
        let tried = reply.as_try(began.elapsed());
        Some(CacheHit { reply, tried })
    }

    pub(super) fn cache_query<'a>(&self, claimed: &Claimed, prompt: &'a Prompt, chain: &'a [Link]) -> CacheQuery<'a> {
        CacheQuery {
            user_id: claimed.user_id,
            persona_id: claimed.persona.id,
            persona_version: claimed.persona.version,
            public: claimed.persona.public,
            cache: claimed.persona.cache_replies,
            fresh: claimed.fresh,
            chain,
            max_tokens: self.chain.max_tokens(prompt),
            prompt,
        }
    }

    /// Reserves the price of the most expensive candidate. With an exhausted budget the built-in model, if the persona
    /// allows it.
    pub(super) async fn reserve(
        &self,
        claimed: &Claimed,
        prompt: &Prompt,
        candidates: Vec<Candidate>,
    ) -> Result<Funded, NotReserved> {
        let spender = Spender { user: claimed.user_id, tier: &claimed.tier, persona: claimed.persona.id };
        match self.money.reserve(spender, || self.chain.max_cost(prompt, &candidates)).await {
            Ok(reservation) => Ok(Funded { reservation, candidates }),
            Err(NotReserved::Exhausted(exhausted)) if claimed.persona.over_budget == OverBudget::Offline => {
                tracing::info!(%exhausted, "the built-in model answers");
                Ok(Funded { reservation: Reservation::nothing(), candidates: self.chain.offline() })
            }
            Err(error) => Err(error),
        }
    }

    /// Pushes what the end of a request has released.
    pub(super) async fn dispatch_next(&self, ended: &finish::Ended) {
        if let Err(error) = self.jobs.enqueue(&ended.next).await {
            tracing::warn!(%error, "could not push the next message: the sweeper will");
        }
    }
}

/// The attempt's span, in the trace of the call that sent the message. It links to the attempt before it.
fn begin_trace(claimed: &Claimed, claim_began: SystemTime) -> Span {
    let id = |attempt: i32| SpanId::of_attempt(claimed.request_id.as_uuid(), attempt.unsigned_abs());
    let sent_at = SystemTime::from(claimed.created_at);
    let span = trace::resume(Kind::Consumer, "reply", claimed.trace)
        .id(id(claimed.attempt))
        .link((claimed.attempt > 1).then(|| id(claimed.attempt - 1)))
        .since(claim_began)
        .after(claim_began.duration_since(sent_at).unwrap_or_default());
    if let Some(context) = span.context() {
        if claimed.attempt == 1 {
            context.span("wait in the queue").since(sent_at).end_at(claim_began);
        }
        drop(context.span("claim").since(claim_began));
    }
    span
}

fn describe(span: &mut Span, Ended { name, claimed, .. }: &Ended) {
    span.set("troupe.outcome", *name);
    span.set("troupe.request_id", claimed.request_id.to_string());
    span.set("troupe.conversation_id", claimed.conversation_id.to_string());
    span.set("troupe.persona_id", claimed.persona.id.to_string());
    span.set("user.id", claimed.user_id.to_string());
    span.set("troupe.tier", claimed.tier.clone());
    span.set("troupe.attempt", claimed.attempt.unsigned_abs());
    span.set("troupe.correlation_id", claimed.correlation_id.clone());
}
