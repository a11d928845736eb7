//! The statements that claim and finish requests, batched: one statement for all replies that begin or end at the same
//! time.

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;
use troupe_core::{
    batch::{Batch, Batcher},
    ids::RequestId,
    lifecycle::Tasks,
};
use troupe_db::{
    metrics::acquire,
    replies::{
        claim::{self, Claimed},
        finish::{self, Ended, Finished},
    },
    with_response_timeout,
};

/// Statements of one kind in flight at the same time.
const LANES: usize = 1;
const MAX_BATCH: usize = 64;

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

    const NAME: &'static str = "claim";

    async fn run(&self, requests: &[RequestId]) -> sqlx::Result<Vec<Option<Claimed>>> {
        with_response_timeout(async {
            claim::claim(&mut *acquire(&self.pool).await?, requests, &self.worker, self.lease, self.history).await
        })
        .await
    }

    fn may_concern_one_item(error: &sqlx::Error) -> bool {
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

    const NAME: &'static str = "finish";

    async fn run(&self, finished: &[Finished]) -> sqlx::Result<Vec<Option<Ended>>> {
        with_response_timeout(async {
            finish::finish(&mut *acquire(&self.pool).await?, finished, self.redispatch_after).await
        })
        .await
    }

    fn may_concern_one_item(error: &sqlx::Error) -> bool {
        error.as_database_error().is_some()
    }
}

pub(crate) struct ReplyBatches {
    claims: Batcher<Claims>,
    finishes: Batcher<Finishes>,
}

impl ReplyBatches {
    pub(crate) fn start(claims: Claims, finishes: Finishes, tasks: &Tasks) -> Self {
        Self {
            claims: Batcher::start(claims, LANES, MAX_BATCH, tasks),
            finishes: Batcher::start(finishes, LANES, MAX_BATCH, tasks),
        }
    }

    /// Claims a request; see [`claim::claim`]. `None` when the worker has stopped.
    pub(super) async fn claim(&self, request: RequestId) -> Option<Result<Option<Claimed>, Arc<sqlx::Error>>> {
        self.claims.call(request).await
    }

    /// Finishes a request; see [`finish::finish`]. `None` when the worker has stopped.
    pub(super) async fn finish(&self, finished: Finished) -> Option<Result<Option<Ended>, Arc<sqlx::Error>>> {
        self.finishes.call(finished).await
    }
}
