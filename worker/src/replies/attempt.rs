//! Writes one reply: claim, prompt, stream, finish.
//!
//! PostgreSQL decides at both ends. The claim makes this attempt the running one; the finish counts only while it still is.
//! In between the lease is renewed elsewhere ([`super::leases`]), and the attempt stops at once when it learns that it was
//! overtaken. Whatever happens, the job itself is done afterwards: retries are dispatched from PostgreSQL.

use std::{pin::pin, sync::Arc, time::Duration};

use futures::{Stream, StreamExt};
use sqlx::PgPool;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use troupe_core::{
    clock::Clock,
    config,
    jobs::GenerateReply,
    model::{
        grounding::Grounding,
        providers::{Link, Outcome, OverBudget, Try},
    },
    ports::{EventBus, JobQueue},
};
use troupe_db::{replies::claim::Claimed, retrieval::Retriever};

use super::{
    batches::Statements,
    cache::{Asked, CachedReply, ReplyCache},
    cpu_time,
    event_writer::{Overtaken, ReplyWriter},
    finish::{cost_of, counted_attempts},
    knowledge,
    leases::Leases,
    memory,
};
use crate::{
    money::{Money, NotReserved, Reservation, Spender},
    providers::{Candidate, Chain, Ended as Spoken, GaveUp, Said, Sharing, Speech, Trail, prompt::Prompt},
};

pub(crate) struct Replies {
    pub(crate) pool: PgPool,
    pub(crate) statements: Statements,
    pub(crate) bus: Arc<dyn EventBus>,
    pub(crate) jobs: Arc<dyn JobQueue>,
    pub(crate) chain: Arc<Chain>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) leases: Leases,
    pub(crate) settings: config::Worker,
    pub(crate) money: Arc<Money>,
    pub(crate) cache: ReplyCache,
    pub(crate) retriever: Retriever,
    pub(crate) sharing: Arc<Sharing>,
    pub(crate) redispatch_after: Duration,
    /// Cancelled when this process must go: what runs is given to others.
    pub(crate) hand_back: CancellationToken,
}

/// How the writing went.
enum Written {
    Whole(Spoken),
    Broken(GaveUp),
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
        cpu_time::counted(self.attempt(&claimed, &lost)).instrument(span).await;
        self.leases.release(request_id, claimed.attempt).await;
    }

    async fn attempt(&self, claimed: &Claimed, lost: &CancellationToken) {
        tracing::debug!(persona = claimed.persona.name, "replying");
        let mut writer = ReplyWriter::new(self.bus.clone(), self.clock.clone(), claimed, self.settings.coalesce);
        if counted_attempts(claimed) > self.settings.max_attempts {
            // Those before it were lost with their workers. One that takes its worker down must not do so for ever.
            let error = GaveUp::without_asking("every attempt was lost with its worker");
            return self.fail(claimed, &error, Vec::new(), writer).await;
        }
        let persona = &claimed.persona;
        if persona.hidden {
            let (problem, cause) = (super::finish::persona_hidden(), "its persona is hidden".to_owned());
            return self.fail_with(claimed, problem, cause, Vec::new(), writer).await;
        }
        let (memories, known) =
            tokio::join!(memory::recall(&self.pool, claimed), knowledge::look_up(&self.retriever, claimed));
        if let Some(known) = &known {
            self.sharing.count_look_up(known.mode);
        }
        let passages = known.as_ref().map(knowledge::quotations).unwrap_or_default();
        let retrieval = known.map(|known| known.grounding());
        let prompt = Arc::new(Prompt::assemble(claimed, &memories, passages, self.settings.prompt_tokens));
        let candidates = self.chain.candidates(claimed);
        if candidates.is_empty() {
            let (problem, cause) =
                (super::finish::no_model_allowed(), "the tier allows nobody of the chain".to_owned());
            return self.fail_with(claimed, problem, cause, Vec::new(), writer).await;
        }
        if let Some((reply, tried)) = self.recall(claimed, &prompt, &candidates).await {
            let written = self.write(reply.said_again(), &mut writer, lost).await;
            return self.end(claimed, written, vec![tried], retrieval, writer).await;
        }
        let (reservation, candidates) = match self.funded(claimed, &prompt, candidates).await {
            Ok(funded) => funded,
            Err(NotReserved::Exhausted(exhausted)) => {
                return self.fail_with(claimed, exhausted.problem(), exhausted.to_string(), Vec::new(), writer).await;
            }
            Err(error) => {
                let error = GaveUp::without_asking(&error.to_string());
                return self.retry_or_fail(claimed, error, Vec::new(), writer).await;
            }
        };
        let trail = Trail::default();
        let written = {
            let (chain, prompt, candidates) = (self.chain.clone(), prompt.clone(), candidates.clone());
            let speech = Speech::new(chain, prompt, candidates, persona.when_cut, trail.clone());
            self.write(speech.into_stream(), &mut writer, lost).await
        };
        let trail = trail.take();
        self.money.settle(reservation, cost_of(&trail)).await;
        let kept = claimed.persona.cache_replies.then(|| Self::worth_keeping(&written, &trail, &writer)).flatten();
        self.end(claimed, written, trail, retrieval, writer).await;
        if let Some(reply) = kept {
            let links = Chain::links(&candidates);
            self.cache.keep(&self.asked(claimed, &prompt, &links), &reply).await;
        }
    }

    async fn end(
        &self,
        claimed: &Claimed,
        written: Written,
        trail: Vec<Try>,
        retrieval: Option<Grounding>,
        writer: ReplyWriter,
    ) {
        match written {
            Written::Whole(spoken) => self.complete(claimed, spoken, trail, retrieval, writer).await,
            Written::Broken(error) => self.retry_or_fail(claimed, error, trail, writer).await,
            Written::HandedBack => self.hand_back(claimed, &trail, writer.shown()).await,
            Written::Overtaken => tracing::info!("overtaken by a newer attempt"),
        }
    }

    /// What was replied before, if the persona gives replies again, and how that looks in the trail.
    async fn recall(&self, claimed: &Claimed, prompt: &Prompt, candidates: &[Candidate]) -> Option<(CachedReply, Try)> {
        if !claimed.persona.cache_replies {
            return None;
        }
        let began = Instant::now();
        let reply = self.cache.find(&self.asked(claimed, prompt, &Chain::links(candidates))).await?;
        let tried = reply.as_try(began.elapsed());
        Some((reply, tried))
    }

    /// A whole reply of a model's own. One that it declined to give is worth another try.
    fn worth_keeping(written: &Written, trail: &[Try], writer: &ReplyWriter) -> Option<CachedReply> {
        let Written::Whole(Spoken { provider, model, usage, incomplete: None }) = written else { return None };
        let declined = trail.last().is_none_or(|tried| tried.outcome != Outcome::Completed);
        let (provider, model, text) = (provider.clone(), model.clone(), writer.text().to_owned());
        (!declined).then_some(CachedReply { text, usage: *usage, provider, model })
    }

    fn asked<'a>(&self, claimed: &Claimed, prompt: &'a Prompt, chain: &'a [Link]) -> Asked<'a> {
        Asked {
            user_id: claimed.user_id,
            persona_id: claimed.persona.id,
            persona_version: claimed.persona.version,
            public: claimed.persona.public,
            cache: claimed.persona.cache_replies,
            fresh: claimed.fresh,
            chain,
            max_tokens: self.chain.max_reply_tokens(),
            prompt,
        }
    }

    /// Those who may be asked, with the money for the dearest; without any left, the built-in model, if the persona wants it.
    async fn funded(
        &self,
        claimed: &Claimed,
        prompt: &Prompt,
        candidates: Vec<Candidate>,
    ) -> Result<(Reservation, Vec<Candidate>), NotReserved> {
        let spender = Spender { user: claimed.user_id, tier: &claimed.tier, persona: claimed.persona.id };
        match self.money.reserve(spender, || self.chain.most(prompt, &candidates)).await {
            Ok(reservation) => Ok((reservation, candidates)),
            Err(NotReserved::Exhausted(exhausted)) if claimed.persona.over_budget == OverBudget::Offline => {
                tracing::info!(%exhausted, "the built-in model speaks");
                Ok((Reservation::nothing(), self.chain.offline()))
            }
            Err(error) => Err(error),
        }
    }

    /// Takes down what is said.
    async fn write(
        &self,
        speech: impl Stream<Item = Result<Said, GaveUp>>,
        writer: &mut ReplyWriter,
        lost: &CancellationToken,
    ) -> Written {
        let mut speech = pin!(speech);
        loop {
            let said = tokio::select! {
                biased;
                () = lost.cancelled() => return Written::Overtaken,
                () = self.hand_back.cancelled() => return Written::HandedBack,
                said = speech.next() => said,
                Overtaken = writer.work() => return Written::Overtaken,
            };
            match said {
                Some(Ok(Said::Text(text))) => writer.push(&text),
                Some(Ok(Said::TakenBack)) => writer.take_back(),
                Some(Ok(Said::End(_))) if writer.text().trim().is_empty() => {
                    return Written::Broken(GaveUp::after_asking("the model said nothing but white space"));
                }
                Some(Ok(Said::End(spoken))) => return Written::Whole(spoken),
                Some(Err(error)) => return Written::Broken(error),
                None => return Written::Broken(GaveUp::after_asking("the reply had no end")),
            }
        }
    }
}
