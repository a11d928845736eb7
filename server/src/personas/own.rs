//! Finds a persona of the caller.

use sqlx::PgPool;
use troupe_core::ids::{PersonaId, UserId};
use troupe_db::personas;

use super::settings::is_slug;
use crate::http::error::ApiError;

pub(crate) const NO_PERSONA: ApiError = ApiError::NotFound("persona of yours");

/// The persona with this slug, if this user owns it.
pub(crate) async fn own_persona(pool: &PgPool, owner: UserId, slug: &str) -> Result<PersonaId, ApiError> {
    if !is_slug(slug) {
        return Err(NO_PERSONA);
    }
    personas::find_own(pool, owner, slug).await?.ok_or(NO_PERSONA)
}
