//! Money: what models cost, and what may be spent of it in a day.
//!
//! Prices and budgets are read from PostgreSQL every few seconds and held here, so a reply that no budget limits costs no
//! statement. Where one does, [`Money::reserve`] takes the most that the reply can cost before a model is asked, and
//! [`Money::settle`] gives back what was not needed. A worker that dies in between leaves it spent: a day may end with money
//! left over, and is never overspent for it.

mod batches;
mod price_book;

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use chrono::{DateTime, NaiveDate, Utc};
use futures::future::FutureExt;
use parking_lot::RwLock;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use troupe_core::{
    batch::Batcher,
    config,
    ids::{PersonaId, UserId},
    lifecycle::Tasks,
    model::{
        Usage,
        money::{Scope, end_of},
    },
    problem::Problem,
};
use troupe_db::money::{
    budgets::{self, Account, Change, Reserved, Wanted},
    prices,
};

use batches::{LANES, MOST, Reserves, Settles};
use price_book::{Known, Limit};

pub(crate) struct Money {
    known: RwLock<Arc<Known>>,
    /// For all attempts at one request; 0 for no ceiling.
    ceiling: f64,
    /// Of each user who has no other budget.
    default_limit: Option<f64>,
    reserves: Batcher<Reserves>,
    settles: Batcher<Settles>,
}

/// Who has a reply written, and by whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spender<'a> {
    pub(crate) user: UserId,
    pub(crate) tier: &'a str,
    pub(crate) persona: PersonaId,
}

/// Money that is set aside for a reply, until it is settled.
#[derive(Debug)]
#[must_use = "what is not settled stays spent"]
pub(crate) struct Reservation {
    amount: f64,
    /// None where no budget applies.
    held: Option<(NaiveDate, Vec<Account>)>,
}

impl Reservation {
    /// Of what costs nothing.
    pub(crate) const fn nothing() -> Self {
        Self { amount: 0.0, held: None }
    }
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum NotReserved {
    #[error("{0}")]
    Exhausted(Exhausted),
    /// PostgreSQL could not tell: another attempt may find out.
    #[error("could not reserve money: {0}")]
    Failed(String),
}

/// The budget that has not enough left for a reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the budget of {scope} {subject} is spent until {until}")]
pub(crate) struct Exhausted {
    pub(crate) scope: Scope,
    pub(crate) subject: String,
    pub(crate) until: DateTime<Utc>,
}

impl Exhausted {
    /// As the user is told.
    pub(crate) fn problem(&self) -> Problem {
        let whose = match self.scope {
            Scope::User | Scope::TierUser => "your budget".to_owned(),
            Scope::Tier => format!("the budget of all users of the tier {}", self.subject),
            Scope::Persona => "the budget of this persona".to_owned(),
            Scope::Everyone => "the budget of this service".to_owned(),
        };
        let until = self.until.format("%Y-%m-%dT%H:%MZ");
        let detail = format!("{whose} has not enough left for a reply today; it renews at {until}");
        Problem::new(429, "budget_exhausted", "budget exhausted", detail).retryable(true)
    }
}

impl Money {
    /// Reads prices and budgets, and goes on reading them until the shutdown.
    pub(crate) async fn start(pool: PgPool, config: &config::Config, tasks: &Tasks) -> anyhow::Result<Arc<Self>> {
        let default_limit = config.models.daily_budget();
        let known = read(&pool, default_limit).await.context("read prices and budgets")?;
        let money = Arc::new(Self {
            known: RwLock::new(Arc::new(known)),
            ceiling: config.worker.max_cost,
            default_limit,
            reserves: Batcher::start(Reserves { pool: pool.clone() }, LANES, MOST, tasks),
            settles: Batcher::start(Settles { pool: pool.clone() }, LANES, MOST, tasks),
        });
        let (interval, shutdown) = (config.models.prices_refresh, tasks.shutdown().clone());
        tasks.spawn(refresh(money.clone(), pool, interval, shutdown));
        Ok(money)
    }

    /// What this use of a model costs; nothing, if it has no price.
    pub(crate) fn price_of(&self, provider: &str, model: &str, usage: Usage) -> f64 {
        self.known().rate(provider, model).map_or(0.0, |rate| rate.of(usage))
    }

    /// Whether an attempt that costs this much more would be too much for one request.
    pub(crate) fn forbids(&self, so_far: f64, more: f64) -> bool {
        self.ceiling > 0.0 && so_far + more > self.ceiling
    }

    /// Sets money aside in every budget that applies, or says which one has not enough left.
    /// What is needed is only asked where a budget applies.
    pub(crate) async fn reserve(
        &self,
        spender: Spender<'_>,
        most: impl FnOnce() -> f64,
    ) -> Result<Reservation, NotReserved> {
        let limits = self.known().limits(spender);
        let most = if limits.is_empty() { 0.0 } else { most() };
        if most <= 0.0 {
            return Ok(Reservation::nothing());
        }
        let wanted = Wanted { amount: most, purses: limits.iter().map(|limit| limit.purse.clone()).collect() };
        let reserved =
            self.reserves.call(wanted).await.ok_or(NotReserved::Failed("the worker is stopping".to_owned()))?;
        match reserved.map_err(|error| NotReserved::Failed(error.to_string()))? {
            Reserved::On(day) => {
                let accounts = limits.into_iter().map(|limit| limit.purse.account).collect();
                Ok(Reservation { amount: most, held: Some((day, accounts)) })
            }
            Reserved::Exhausted { purse, day } => Err(NotReserved::Exhausted(exhausted(&limits[purse], day))),
        }
    }

    /// Replaces what was reserved by what was spent.
    pub(crate) async fn settle(&self, reservation: Reservation, spent: f64) {
        let Reservation { amount, held: Some((day, accounts)) } = reservation else { return };
        let change = |account| Change { account, day, amount: spent - amount };
        match self.settles.call(accounts.into_iter().map(change).collect()).await {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::warn!(%error, reserved = amount, spent, "what was reserved stays spent"),
            None => tracing::warn!(reserved = amount, spent, "stopping: what was reserved stays spent"),
        }
    }

    fn known(&self) -> Arc<Known> {
        self.known.read().clone()
    }
}

fn exhausted(limit: &Limit, day: NaiveDate) -> Exhausted {
    Exhausted { scope: limit.scope, subject: limit.subject.clone(), until: end_of(day) }
}

async fn read(pool: &PgPool, default_limit: Option<f64>) -> sqlx::Result<Known> {
    Ok(Known::new(prices::all(pool).await?, budgets::all(pool).await?, default_limit))
}

async fn refresh(money: Arc<Money>, pool: PgPool, interval: Duration, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.reset();
    while shutdown.run_until_cancelled(ticks.tick().map(drop)).await.is_some() {
        match read(&pool, money.default_limit).await {
            Ok(known) => *money.known.write() = Arc::new(known),
            Err(error) => tracing::warn!(%error, "could not read prices and budgets: the last ones hold"),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn whoever_is_refused_learns_which_budget_and_until_when() {
        let until = DateTime::UNIX_EPOCH;
        let told = |scope, subject: &str| Exhausted { scope, subject: subject.to_owned(), until }.problem();
        let problem = told(Scope::Tier, "free");
        assert_eq!((problem.status, problem.code.as_str(), problem.retryable), (429, "budget_exhausted", true));
        insta::assert_snapshot!(
            problem.detail,
            @"the budget of all users of the tier free has not enough left for a reply today; it renews at 1970-01-01T00:00Z"
        );
        // Nobody learns the id of a persona that is not theirs.
        assert!(!told(Scope::Persona, "018f").detail.contains("018f"));
    }
}
