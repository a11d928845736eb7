//! Moderation of personas by admins.

use serde_json::json;
use sqlx::PgPool;
use troupe_core::model::{
    audit::{By, On},
    moderation::ModeratedPersona,
};
use troupe_db::personas::moderation;

use crate::{audit::note, http::error::ApiError};

const MISSING: ApiError = ApiError::NotFound("persona");

/// Hides a persona: it gives no replies, and waiting messages fail. A hidden one only gets the new reason.
pub(crate) async fn hide(pool: &PgPool, by: &By, slug: &str, reason: &str) -> Result<ModeratedPersona, ApiError> {
    let mut transaction = pool.begin().await?;
    let before = moderation::lock(&mut *transaction, slug).await?.ok_or(MISSING)?;
    let persona = moderation::hide(&mut *transaction, slug, reason).await?.ok_or(MISSING)?;
    let hidden = by.does("persona.hidden").on(target(&persona)).before(before.hidden_reason).after(reason);
    note(&mut *transaction, &hidden).await?;
    transaction.commit().await?;
    tracing::info!(persona_id = %persona.id, slug, "a persona was hidden");
    Ok(persona)
}

/// Makes a persona visible again, as its owner has set it. One that is not hidden is unchanged, without an audit entry.
pub(crate) async fn unhide(pool: &PgPool, by: &By, slug: &str) -> Result<ModeratedPersona, ApiError> {
    let mut transaction = pool.begin().await?;
    let before = moderation::lock(&mut *transaction, slug).await?.ok_or(MISSING)?;
    if before.hidden_at.is_none() {
        return Ok(before);
    }
    let persona = moderation::unhide(&mut *transaction, slug).await?.ok_or(MISSING)?;
    let unhidden = by.does("persona.unhidden").on(target(&persona)).before(before.hidden_reason);
    note(&mut *transaction, &unhidden).await?;
    transaction.commit().await?;
    tracing::info!(persona_id = %persona.id, slug, "a persona was shown again");
    Ok(persona)
}

/// Deletes a persona with all its conversations.
pub(crate) async fn delete(pool: &PgPool, by: &By, slug: &str) -> Result<(), ApiError> {
    let mut transaction = pool.begin().await?;
    let persona = moderation::lock(&mut *transaction, slug).await?.ok_or(MISSING)?;
    moderation::delete(&mut *transaction, persona.id).await?;
    let deleted = by.does("persona.deleted").on(target(&persona)).before(json!({"slug": slug}));
    note(&mut *transaction, &deleted).await?;
    transaction.commit().await?;
    tracing::info!(persona_id = %persona.id, slug, "a persona was deleted by an admin");
    Ok(())
}

fn target(persona: &ModeratedPersona) -> On {
    On { user: persona.owner_id, ..On::thing("persona", persona.id) }
}
