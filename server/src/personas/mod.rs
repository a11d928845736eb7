//! Personas: their settings and the provider chains that reply for them.

pub(crate) mod chains;
pub(crate) mod own;
pub(crate) mod routes;
pub(crate) mod settings;

use sqlx::PgPool;
use troupe_core::config::Live;

pub(crate) struct Personas {
    pub(crate) pool: PgPool,
    /// With the providers as they are configured now.
    pub(crate) configuration: Live,
}
