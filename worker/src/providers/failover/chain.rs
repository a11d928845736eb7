//! The chain of providers: its candidates, and the consequences of a call's result for later ones.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use troupe_core::{
    circuit_breaker::{Admission, KeyAction},
    clock::Clock,
    config,
    model::{
        Usage,
        providers::{Link, Outcome, Rest},
    },
};
use troupe_db::replies::claim::Claimed;

use super::{
    health_board::HealthBoard,
    retry_budget::RetryBudget,
    roster::{Candidate, Endpoint, Roster},
};
use crate::{
    money::Money,
    providers::{
        failure::{Failure, consequence},
        prompt::Prompt,
    },
};

/// Retries and hedged calls that a worker can save up.
const MAX_SAVED_RETRIES: f64 = 20.0;
const MAX_SAVED_HEDGES: f64 = 5.0;
/// The pause while another worker probes.
const PROBE_ELSEWHERE_PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct Chain {
    pub(super) roster: Arc<Roster>,
    pub(super) health_board: Arc<HealthBoard>,
    pub(super) money: Arc<Money>,
    max_reply_tokens: u32,
    /// The links that are allowed where the tier does not restrict them.
    allowed: Option<Vec<String>>,
    pub(super) retries: RetryBudget,
    pub(super) hedges: RetryBudget,
    clock: Arc<dyn Clock>,
}

impl Chain {
    pub(crate) fn new(
        config: &config::Models,
        roster: Arc<Roster>,
        health_board: Arc<HealthBoard>,
        money: Arc<Money>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            roster,
            health_board,
            money,
            max_reply_tokens: config.max_reply_tokens,
            allowed: config.allowed_links(),
            retries: RetryBudget::new(config.retry_share, MAX_SAVED_RETRIES),
            hedges: RetryBudget::new(config.hedge_share, MAX_SAVED_HEDGES),
            clock,
        }
    }

    /// Applies changed keys of the configuration. A new key starts with a closed circuit breaker, which is published,
    /// so that other workers' states of the old key cannot open it.
    pub(crate) async fn follow_keys(self: Arc<Self>, mut configs: watch::Receiver<Arc<config::Config>>) {
        while configs.changed().await.is_ok() {
            let config = configs.borrow_and_update().clone();
            let now = self.clock.now();
            self.roster.reload(&config, |endpoint| {
                endpoint.breaker.merge(None, now);
                self.health_board.publish(endpoint, None, now);
                tracing::info!(endpoint = endpoint.name, "a provider has another key now");
            });
        }
    }

    /// The links of the persona's chain, or of the default, that the user's tier, or else `models.allowed`, allows.
    pub(crate) fn candidates(&self, claimed: &Claimed) -> Vec<Candidate> {
        let persona = &claimed.persona;
        let allowed = claimed.models.as_deref().or(self.allowed.as_deref());
        self.roster.candidates(persona.chain.as_deref(), persona.model.as_deref(), allowed)
    }

    /// The links of the default chain that `models.allowed` allows: for texts of nobody's.
    pub(crate) fn default_candidates(&self) -> Vec<Candidate> {
        self.roster.candidates(None, None, self.allowed.as_deref())
    }

    /// Of a reply to this prompt: as many as its caller wants, and no more than are allowed.
    pub(crate) fn max_tokens(&self, prompt: &Prompt) -> u32 {
        prompt.sampling.max_tokens.map_or(self.max_reply_tokens, |wanted| wanted.min(self.max_reply_tokens))
    }

    /// Candidates as links without keys: the reply does not depend on the key.
    pub(crate) fn links(candidates: &[Candidate]) -> Vec<Link> {
        let link = |candidate: &Candidate| Link {
            provider: candidate.endpoint.provider.clone(),
            key: None,
            model: Some(candidate.model.clone()),
        };
        candidates.iter().map(link).collect()
    }

    /// The built-in model, which has no cost.
    pub(crate) fn offline(&self) -> Vec<Candidate> {
        self.roster.candidates(Some(&[config::OFFLINE.to_owned()]), None, None)
    }

    /// The estimated cost of a reply by the most expensive candidate.
    pub(crate) fn max_cost(&self, prompt: &Prompt, candidates: &[Candidate]) -> f64 {
        let prompt_tokens = u32::try_from(prompt.tokens()).unwrap_or(u32::MAX);
        let usage = Usage { prompt_tokens, completion_tokens: self.max_tokens(prompt), estimated: true };
        let price = |candidate: &Candidate| self.money.price_of(&candidate.endpoint.provider, &candidate.model, usage);
        candidates.iter().map(price).fold(0.0, f64::max)
    }

    /// Whether an endpoint may be called now, by the state shared between workers.
    pub(super) async fn admit(&self, endpoint: &Endpoint) -> Admission {
        let admission = endpoint.breaker.admit(self.clock.now());
        if admission == Admission::Probe && !self.health_board.acquire_probe(endpoint).await {
            endpoint.breaker.release(true);
            return Admission::Denied { until: self.clock.now() + PROBE_ELSEWHERE_PAUSE };
        }
        admission
    }

    pub(super) fn time_until(&self, then: DateTime<Utc>) -> Duration {
        (then - self.clock.now()).to_std().unwrap_or_default()
    }

    pub(super) fn record_success(&self, endpoint: &Endpoint, probe: bool) {
        let now = self.clock.now();
        if endpoint.breaker.record_success(probe, now) && self.roster.is_current(endpoint) {
            tracing::info!(endpoint = endpoint.name, "a provider is well again");
            self.health_board.publish(endpoint, None, now);
        }
    }

    /// Records the result of a health check. Of failures only a rejected key counts: outages are detected sooner by
    /// replies.
    pub(super) fn record_check(&self, endpoint: &Endpoint, result: &Result<(), Failure>) {
        let now = self.clock.now();
        match result {
            Ok(()) if endpoint.breaker.record_healthy_check(now) => {
                tracing::info!(endpoint = endpoint.name, "a check went well: the provider may be asked again");
                self.health_board.publish(endpoint, endpoint.breaker.rest(), now);
            }
            Err(failure) if failure.outcome == Outcome::KeyRefused => self.record_failure(endpoint, failure, false),
            _ => {}
        }
    }

    pub(crate) fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        self.roster.endpoints()
    }

    pub(super) fn record_failure(&self, endpoint: &Endpoint, failure: &Failure, probe: bool) {
        let now = self.clock.now();
        let consequence = consequence(failure.outcome);
        if !consequence.counts && consequence.key == KeyAction::Keep {
            // The call was at fault, not the service.
            return self.record_success(endpoint, probe);
        }
        let opened = endpoint.breaker.record_failure(&failure.for_breaker(), probe, now);
        if !opened || !self.roster.is_current(endpoint) {
            return;
        }
        let Some(rest) = endpoint.breaker.rest() else { return };
        if consequence.key == KeyAction::DisableAndAlert {
            tracing::error!(endpoint = endpoint.name, until = %rest.until, "a provider does not accept its key");
        } else {
            let Rest { until, why, .. } = &rest;
            tracing::warn!(endpoint = endpoint.name, %until, ?why, "a provider is not asked for a while");
        }
        self.health_board.publish(endpoint, Some(rest), now);
    }
}
