//! Money: the prices of models, and daily budgets.
//!
//! Prices and budgets are polled from PostgreSQL into a [`PriceBook`], so a reply without a budget needs no statement.
//! With one, [`Money::reserve`] reserves the maximum cost of the reply before a model is called, and [`Money::settle`]
//! returns the rest. If a worker dies in between, the reservation stays spent: a day may end under budget, but never
//! over it for that reason.

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
    config,
    ids::{PersonaId, UserId},
    lifecycle::Tasks,
    model::{
        Usage,
        money::{Scope, end_of},
    },
    problem::{Problem, ProblemCode},
};
use troupe_db::{
    money::{
        budgets::{self, Account, Change, Reserved, Wanted},
        prices,
    },
    with_response_timeout,
};

use batches::BudgetBatches;
use price_book::{Limit, PriceBook};

pub(crate) struct Money {
    price_book: RwLock<Arc<PriceBook>>,
    /// Of all attempts at one request; 0 for no limit.
    max_cost: f64,
    /// Per day, of each user who has no other budget.
    default_limit: Option<f64>,
    batches: BudgetBatches,
}

/// The user and the persona of a reply: their budgets apply.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spender<'a> {
    pub(crate) user: UserId,
    pub(crate) tier: &'a str,
    pub(crate) persona: PersonaId,
}

impl Spender<'_> {
    /// The service itself, for what is for everybody: the budget of everyone applies, and the default one of users.
    pub(crate) const SERVICE: Self = Self { user: UserId::NOBODY, tier: "", persona: PersonaId::NOBODY };
}

/// A reservation for a reply, until it is settled.
#[derive(Debug)]
#[must_use = "what is not settled stays spent"]
pub(crate) struct Reservation {
    amount: f64,
    /// `None` where no budget applies.
    held: Option<(NaiveDate, Vec<Account>)>,
}

impl Reservation {
    /// For a reply without a cost.
    pub(crate) const fn nothing() -> Self {
        Self { amount: 0.0, held: None }
    }
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum NotReserved {
    #[error("{0}")]
    Exhausted(Exhausted),
    /// PostgreSQL was away: retryable.
    #[error("could not reserve money: {0}")]
    Failed(String),
}

/// A budget that is exhausted for a reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the budget of {scope} {subject} is spent until {until}")]
pub(crate) struct Exhausted {
    pub(crate) scope: Scope,
    pub(crate) subject: String,
    pub(crate) until: DateTime<Utc>,
}

impl Exhausted {
    /// The user's view.
    pub(crate) fn problem(&self) -> Problem {
        let whose = match self.scope {
            Scope::User | Scope::TierUser => "your budget".to_owned(),
            Scope::Tier => format!("the budget of all users of the tier {}", self.subject),
            Scope::Persona => "the budget of this persona".to_owned(),
            Scope::Everyone => "the budget of this service".to_owned(),
        };
        let until = self.until.format("%Y-%m-%dT%H:%MZ");
        let detail = format!("{whose} has not enough left for a reply today; it renews at {until}");
        Problem::new(ProblemCode::BudgetExhausted, detail)
    }
}

impl Money {
    /// Reads prices and budgets, and polls them until the shutdown.
    pub(crate) async fn start(pool: PgPool, config: &config::Config, tasks: &Tasks) -> anyhow::Result<Arc<Self>> {
        let default_limit = config.models.daily_budget();
        let price_book = read(&pool, default_limit).await.context("read prices and budgets")?;
        let money = Arc::new(Self {
            price_book: RwLock::new(Arc::new(price_book)),
            max_cost: config.worker.max_cost,
            default_limit,
            batches: BudgetBatches::start(&pool, tasks),
        });
        let shutdown = tasks.shutdown().clone();
        tasks.spawn(refresh(money.clone(), pool, config.models.prices_refresh, shutdown));
        Ok(money)
    }

    /// The cost of this usage; zero, if the model has no price.
    pub(crate) fn price_of(&self, provider: &str, model: &str, usage: Usage) -> f64 {
        self.price_book().rate(provider, model).map_or(0.0, |rate| rate.of(usage))
    }

    /// Whether another reply of this cost would exceed the maximum cost of a request: `worker.max_cost`.
    pub(crate) fn exceeds_max_cost(&self, so_far: f64, more: f64) -> bool {
        self.max_cost > 0.0 && so_far + more > self.max_cost
    }

    /// Reserves the maximum cost in every applicable budget, or in none: the error is the exhausted one. The cost is
    /// only computed where a budget applies.
    pub(crate) async fn reserve(
        &self,
        spender: Spender<'_>,
        max_cost: impl FnOnce() -> f64,
    ) -> Result<Reservation, NotReserved> {
        let limits = self.price_book().limits(spender);
        let amount = if limits.is_empty() { 0.0 } else { max_cost() };
        if amount <= 0.0 {
            return Ok(Reservation::nothing());
        }
        let wanted = Wanted { amount, purses: limits.iter().map(|limit| limit.purse.clone()).collect() };
        let stopping = || NotReserved::Failed("the worker is stopping".to_owned());
        let reserved = self.batches.reserve(wanted).await.ok_or_else(stopping)?;
        match reserved.map_err(|error| NotReserved::Failed(error.to_string()))? {
            Reserved::On(day) => {
                let accounts = limits.into_iter().map(|limit| limit.purse.account).collect();
                Ok(Reservation { amount, held: Some((day, accounts)) })
            }
            Reserved::Exhausted { purse, day } => Err(NotReserved::Exhausted(exhausted(&limits[purse], day))),
        }
    }

    /// Replaces the reservation by the actual cost.
    pub(crate) async fn record_spending(&self, reservation: Reservation, spent: f64) {
        let Reservation { amount, held: Some((day, accounts)) } = reservation else { return };
        let change = |account| Change { account, day, amount: spent - amount };
        match self.batches.record_spending(accounts.into_iter().map(change).collect()).await {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::warn!(%error, reserved = amount, spent, "could not settle: the reservation stays spent");
            }
            None => {
                tracing::warn!(
                    reserved = amount,
                    spent,
                    "could not settle while stopping: the reservation stays spent"
                );
            }
        }
    }

    fn price_book(&self) -> Arc<PriceBook> {
        self.price_book.read().clone()
    }
}

fn exhausted(limit: &Limit, day: NaiveDate) -> Exhausted {
    Exhausted { scope: limit.scope, subject: limit.subject.clone(), until: end_of(day) }
}

async fn read(pool: &PgPool, default_limit: Option<f64>) -> sqlx::Result<PriceBook> {
    Ok(PriceBook::new(prices::all(pool).await?, budgets::all(pool).await?, default_limit))
}

async fn refresh(money: Arc<Money>, pool: PgPool, interval: Duration, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.reset();
    while shutdown.run_until_cancelled(ticks.tick().map(drop)).await.is_some() {
        match with_response_timeout(read(&pool, money.default_limit)).await {
            Ok(price_book) => *money.price_book.write() = Arc::new(price_book),
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
        let problem_of = |scope, subject: &str| Exhausted { scope, subject: subject.to_owned(), until }.problem();
        let problem = problem_of(Scope::Tier, "free");
        assert_eq!((problem.status(), problem.code(), problem.retryable), (429, "budget_exhausted", true));
        insta::assert_snapshot!(
            problem.detail,
            @"the budget of all users of the tier free has not enough left for a reply today; it renews at 1970-01-01T00:00Z"
        );
        // The id of another user's persona is not revealed.
        assert!(!problem_of(Scope::Persona, "018f").detail.contains("018f"));
    }
}
