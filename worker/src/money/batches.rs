//! The statements that take money and give it back, each for as many replies as come to it at the same time: a budget of
//! everyone is one row, and would otherwise be locked by one reply after the other.

use sqlx::PgPool;
use troupe_core::batch::Batch;
use troupe_db::money::budgets::{self, Change, Reserved, Wanted};

pub(super) const LANES: usize = 1;
pub(super) const MOST: usize = 64;

pub(crate) struct Reserves {
    pub(super) pool: PgPool,
}

impl Batch for Reserves {
    type Item = Wanted;
    type Answer = Reserved;
    type Error = sqlx::Error;

    async fn run(&self, wanted: &[Wanted]) -> sqlx::Result<Vec<Reserved>> {
        budgets::reserve(&self.pool, wanted).await
    }

    fn may_be_one_items(_: &sqlx::Error) -> bool {
        false
    }
}

pub(crate) struct Settles {
    pub(super) pool: PgPool,
}

impl Batch for Settles {
    /// Of all accounts of one reservation.
    type Item = Vec<Change>;
    type Answer = ();
    type Error = sqlx::Error;

    async fn run(&self, reservations: &[Vec<Change>]) -> sqlx::Result<Vec<()>> {
        budgets::settle(&self.pool, &reservations.concat()).await?;
        Ok(vec![(); reservations.len()])
    }

    fn may_be_one_items(_: &sqlx::Error) -> bool {
        false
    }
}
