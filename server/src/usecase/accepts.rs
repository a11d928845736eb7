//! The statement that accepts messages, made for as many as come at the same time.

use std::time::Duration;

use sqlx::PgPool;
use troupe_shared::{
    batch::Batch,
    db::requests::{self, NewMessage},
};

pub(crate) struct Accepts {
    pub(crate) pool: PgPool,
    pub(crate) redispatch_after: Duration,
}

impl Batch for Accepts {
    type Item = NewMessage;
    type Answer = Option<requests::Accepted>;
    type Error = sqlx::Error;

    async fn run(&self, messages: &[NewMessage]) -> sqlx::Result<Vec<Self::Answer>> {
        requests::accept(&self.pool, messages, self.redispatch_after).await
    }

    fn may_be_one_items(error: &sqlx::Error) -> bool {
        error.as_database_error().is_some()
    }
}
