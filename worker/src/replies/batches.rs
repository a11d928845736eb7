//! The statements that begin and end a reply, each for as many replies as come to it at the same time.

use std::time::Duration;

use sqlx::PgPool;
use troupe_core::{
    batch::{Batch, Batcher},
    ids::RequestId,
    lifecycle::Tasks,
};
use troupe_db::replies::{
    claim::{self, Claimed},
    finish::{self, Ended, Finished},
};

const LANES: usize = 1;
const BATCH: usize = 64;

pub(crate) struct Claims {
    pub(crate) pool: PgPool,
    pub(crate) worker: String,
    pub(crate) lease: Duration,
    pub(crate) history: u32,
}

impl Batch for Claims {
    type Item = RequestId;
    type Answer = Option<Claimed>;
    type Error = sqlx::Error;

    async fn run(&self, requests: &[RequestId]) -> sqlx::Result<Vec<Option<Claimed>>> {
        claim::claim(&self.pool, requests, &self.worker, self.lease, self.history).await
    }

    fn may_be_one_items(error: &sqlx::Error) -> bool {
        error.as_database_error().is_some()
    }
}

pub(crate) struct Finishes {
    pub(crate) pool: PgPool,
    pub(crate) redispatch_after: Duration,
}

impl Batch for Finishes {
    type Item = Finished;
    type Answer = Option<Ended>;
    type Error = sqlx::Error;

    async fn run(&self, finished: &[Finished]) -> sqlx::Result<Vec<Option<Ended>>> {
        finish::finish(&self.pool, finished, self.redispatch_after).await
    }

    fn may_be_one_items(error: &sqlx::Error) -> bool {
        error.as_database_error().is_some()
    }
}

/// Both, under way at the same time as little as need be.
pub(crate) struct Statements {
    pub(crate) claims: Batcher<Claims>,
    pub(crate) finishes: Batcher<Finishes>,
}

impl Statements {
    pub(crate) fn start(claims: Claims, finishes: Finishes, tasks: &Tasks) -> Self {
        Self {
            claims: Batcher::start(claims, LANES, BATCH, tasks),
            finishes: Batcher::start(finishes, LANES, BATCH, tasks),
        }
    }
}
