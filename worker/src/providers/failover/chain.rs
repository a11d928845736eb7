//! The chain of providers: who may be asked now, and what their answers mean for those who come after.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use troupe_core::{
    clock::Clock,
    config,
    model::{
        Usage,
        providers::{Link, Outcome},
    },
};
use troupe_db::replies::claim::Claimed;

use super::{
    circuit_breaker::Admission,
    health_board::Sharing,
    retry_budget::Allowance,
    roster::{Candidate, Endpoint, Roster},
};
use crate::{
    money::Money,
    providers::{
        failure::{Failure, KeyThen, consequence},
        prompt::Prompt,
    },
};

/// Further tries, and second calls because of a slow first one, that a worker can save up.
const MOST_RETRIES: f64 = 20.0;
const MOST_HEDGES: f64 = 5.0;

pub(crate) struct Chain {
    pub(super) roster: Arc<Roster>,
    pub(super) sharing: Arc<Sharing>,
    pub(super) money: Arc<Money>,
    pub(super) max_reply_tokens: u32,
    /// The links that are allowed where the tier does not say it.
    allowed: Option<Vec<String>>,
    pub(super) retries: Allowance,
    pub(super) hedges: Allowance,
    clock: Arc<dyn Clock>,
}

impl Chain {
    pub(crate) fn new(
        config: &config::Models,
        roster: Arc<Roster>,
        sharing: Arc<Sharing>,
        money: Arc<Money>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            roster,
            sharing,
            money,
            max_reply_tokens: config.max_reply_tokens,
            allowed: config.allowed_links(),
            retries: Allowance::new(config.retry_share, MOST_RETRIES),
            hedges: Allowance::new(config.hedge_share, MOST_HEDGES),
            clock,
        }
    }

    /// Follows the configuration's keys until the shutdown. One that is new has done nothing yet, whatever its predecessor did,
    /// and the other workers are told so: what they say of the old one must not hold it up.
    pub(crate) async fn follow_keys(self: Arc<Self>, mut configs: watch::Receiver<Arc<config::Config>>) {
        while configs.changed().await.is_ok() {
            let config = configs.borrow_and_update().clone();
            let now = self.clock.now();
            self.roster.take_over(&config, |endpoint| {
                endpoint.standing.learn(None, now);
                self.sharing.tell(endpoint, None, now);
                tracing::info!(endpoint = endpoint.name, "a provider has another key now");
            });
        }
    }

    /// Those whom a persona's chain, or the default, means, as far as the user's tier, or else `models.allowed`, allows
    /// them.
    pub(crate) fn candidates(&self, claimed: &Claimed) -> Vec<Candidate> {
        let persona = &claimed.persona;
        let allowed = claimed.models.as_deref().or(self.allowed.as_deref());
        self.roster.candidates(persona.chain.as_deref(), persona.model.as_deref(), allowed)
    }

    pub(crate) fn max_reply_tokens(&self) -> u32 {
        self.max_reply_tokens
    }

    /// Candidates as links, without their keys: with any key of a provider a model says the same.
    pub(crate) fn links(candidates: &[Candidate]) -> Vec<Link> {
        let link = |one: &Candidate| Link {
            provider: one.endpoint.provider.clone(),
            key: None,
            model: Some(one.model.clone()),
        };
        candidates.iter().map(link).collect()
    }

    /// The built-in model, which costs nothing.
    pub(crate) fn offline(&self) -> Vec<Candidate> {
        self.roster.candidates(Some(&[config::OFFLINE.to_owned()]), None, None)
    }

    /// What a reply by the dearest of these can cost, about.
    pub(crate) fn most(&self, prompt: &Prompt, candidates: &[Candidate]) -> f64 {
        let prompt_tokens = u32::try_from(prompt.tokens()).unwrap_or(u32::MAX);
        let usage = Usage { prompt_tokens, completion_tokens: self.max_reply_tokens, estimated: true };
        let price = |one: &Candidate| self.money.price_of(&one.endpoint.provider, &one.model, usage);
        candidates.iter().map(price).fold(0.0, f64::max)
    }

    /// Whether an endpoint may be asked now, by the knowledge of all workers.
    pub(super) async fn admit(&self, endpoint: &Endpoint) -> Admission {
        let admission = endpoint.standing.admit(self.clock.now());
        if admission == Admission::Probe && !self.sharing.may_probe(endpoint).await {
            endpoint.standing.let_go(true);
            return Admission::No { until: self.clock.now() + Duration::from_secs(1) };
        }
        admission
    }

    pub(super) fn until(&self, then: DateTime<Utc>) -> Duration {
        (then - self.clock.now()).to_std().unwrap_or_default()
    }

    pub(super) fn succeeded(&self, endpoint: &Endpoint, probe: bool) {
        let now = self.clock.now();
        if endpoint.standing.succeeded(probe, now) && self.roster.uses(endpoint) {
            tracing::info!(endpoint = endpoint.name, "a provider is well again");
            self.sharing.tell(endpoint, None, now);
        }
    }

    /// What a check has found. That a service does not answer is known soonest by those who need it; that it refuses a key is
    /// taken from the check.
    pub(super) fn checked(&self, endpoint: &Endpoint, found: &Result<(), Failure>) {
        let now = self.clock.now();
        match found {
            Ok(()) if endpoint.standing.checked(now) => {
                tracing::info!(endpoint = endpoint.name, "a check went well: the provider may be asked again");
                self.sharing.tell(endpoint, endpoint.standing.rest(), now);
            }
            Err(failure) if failure.outcome == Outcome::KeyRefused => self.failed(endpoint, failure, false),
            _ => {}
        }
    }

    pub(crate) fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        self.roster.endpoints()
    }

    pub(super) fn failed(&self, endpoint: &Endpoint, failure: &Failure, probe: bool) {
        let now = self.clock.now();
        let meaning = consequence(failure.outcome);
        let rests = if meaning.counts || meaning.key != KeyThen::Stays {
            endpoint.standing.failed(failure, probe, now)
        } else {
            // The call was at fault, not the service.
            return self.succeeded(endpoint, probe);
        };
        if !rests || !self.roster.uses(endpoint) {
            return;
        }
        let Some(rest) = endpoint.standing.rest() else { return };
        let (endpoint_name, until, why) = (&endpoint.name, rest.until, rest.why);
        if meaning.key == KeyThen::OutWithAlarm {
            tracing::error!(endpoint = endpoint_name, %until, "a provider does not accept its key");
        } else {
            tracing::warn!(endpoint = endpoint_name, %until, ?why, "a provider is not asked for a while");
        }
        self.sharing.tell(endpoint, Some(rest), now);
    }
}
