//! Web Push: which browsers are told of a reply while nobody looks. Workers tell them (`worker/src/push/`).

pub(crate) mod routes;

use std::sync::Arc;

use sqlx::PgPool;
use troupe_core::config::Config;

pub(crate) struct Push {
    pub(crate) pool: PgPool,
    pub(crate) config: Arc<Config>,
}
