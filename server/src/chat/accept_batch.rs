//! Batching of accepted messages: concurrent calls share one statement.

use sqlx::PgPool;
use troupe_core::batch::Batch;
use troupe_db::{
    metrics::acquire,
    replies::accept::{self, Limits, NewMessage, Outcome},
    with_response_timeout,
};

pub(crate) struct AcceptBatch {
    pub(crate) pool: PgPool,
    pub(crate) limits: Limits,
}

impl Batch for AcceptBatch {
    type Item = NewMessage;
    type Answer = Outcome;
    type Error = sqlx::Error;

    const NAME: &'static str = "accept";

    async fn run(&self, messages: &[NewMessage]) -> sqlx::Result<Vec<Outcome>> {
        with_response_timeout(async { accept::accept(&mut *acquire(&self.pool).await?, messages, self.limits).await })
            .await
    }

    fn may_concern_one_item(error: &sqlx::Error) -> bool {
        error.as_database_error().is_some()
    }
}
