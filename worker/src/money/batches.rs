//! Batched statements that reserve and settle money: the budget of all users is one row, which concurrent replies would
//! otherwise lock one by one.

use std::sync::Arc;

use sqlx::PgPool;
use troupe_core::{
    batch::{Batch, Batcher},
    lifecycle::Tasks,
};
use troupe_db::{
    money::budgets::{self, Change, Reserved, Wanted},
    with_response_timeout,
};

/// Statements of one kind in flight at the same time.
const LANES: usize = 1;
const MAX_BATCH: usize = 64;

struct Reservations {
    pool: PgPool,
}

impl Batch for Reservations {
    type Item = Wanted;
    type Answer = Reserved;
    type Error = sqlx::Error;

    const NAME: &'static str = "reserve";

    async fn run(&self, wanted: &[Wanted]) -> sqlx::Result<Vec<Reserved>> {
        with_response_timeout(budgets::reserve(&self.pool, wanted)).await
    }

    fn may_concern_one_item(_: &sqlx::Error) -> bool {
        false
    }
}

struct Settlements {
    pool: PgPool,
}

impl Batch for Settlements {
    /// Of all accounts of one reservation.
    type Item = Vec<Change>;
    type Answer = ();
    type Error = sqlx::Error;

    const NAME: &'static str = "settle";

    async fn run(&self, reservations: &[Vec<Change>]) -> sqlx::Result<Vec<()>> {
        with_response_timeout(budgets::record_spending(&self.pool, &reservations.concat())).await?;
        Ok(vec![(); reservations.len()])
    }

    fn may_concern_one_item(_: &sqlx::Error) -> bool {
        false
    }
}

pub(super) struct BudgetBatches {
    reservations: Batcher<Reservations>,
    settlements: Batcher<Settlements>,
}

impl BudgetBatches {
    pub(super) fn start(pool: &PgPool, tasks: &Tasks) -> Self {
        Self {
            reservations: Batcher::start(Reservations { pool: pool.clone() }, LANES, MAX_BATCH, tasks),
            settlements: Batcher::start(Settlements { pool: pool.clone() }, LANES, MAX_BATCH, tasks),
        }
    }

    /// `None` when the worker has stopped.
    pub(super) async fn reserve(&self, wanted: Wanted) -> Option<Result<Reserved, Arc<sqlx::Error>>> {
        self.reservations.call(wanted).await
    }

    /// `None` when the worker has stopped.
    pub(super) async fn record_spending(&self, changes: Vec<Change>) -> Option<Result<(), Arc<sqlx::Error>>> {
        self.settlements.call(changes).await
    }
}
