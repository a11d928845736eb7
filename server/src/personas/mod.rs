//! Personas: their settings and the provider chains that reply for them.

pub(crate) mod avatars;
pub(crate) mod chains;
mod change;
mod characters;
pub(crate) mod create;
mod inspect;
pub(crate) mod own;
mod restore;
pub(crate) mod routes;
pub(crate) mod settings;

use sqlx::PgPool;
use troupe_core::config::Live;

use crate::http::error::{ApiError, ProblemCode};

/// An admin has hidden the persona: it gives no replies. Its owner sees the reason in the persona itself.
pub(crate) fn hidden() -> ApiError {
    ApiError::conflict(ProblemCode::PersonaHidden, "this persona is hidden, and answers nobody")
}

pub(crate) use avatars::Pictures;

pub(crate) struct Personas {
    pub(crate) pool: PgPool,
    pub(crate) pictures: Pictures,
    /// The current configuration of the providers.
    pub(crate) configuration: Live,
}

/// Runs what takes some hundredths of a second for a large file, on a blocking thread.
async fn off_the_path<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|fault| ApiError::Internal(fault.to_string()))
}
