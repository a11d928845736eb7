//! Knowledge of personas: documents, search, and memories of users.

pub(crate) mod add_document;
pub(crate) mod routes;

use std::sync::Arc;

use sqlx::PgPool;
use troupe_core::{adapters::outgoing::Outgoing, config::Config};
use troupe_db::retrieval::Retriever;

pub(crate) struct Knowledge {
    pub(crate) pool: PgPool,
    pub(crate) config: Arc<Config>,
    pub(crate) retriever: Retriever,
    /// The only client for URLs that users give.
    pub(crate) outgoing: Outgoing,
}
