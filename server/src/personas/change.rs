//! Changes and deletes a persona of the caller, with an audit entry.
//!
//! The entry has the names of the changed settings, but of their values only the visibility: a prompt is private.

use serde_json::json;
use sqlx::PgPool;
use troupe_core::{
    ids::UserId,
    model::{
        Persona,
        audit::{By, On},
    },
};
use troupe_db::personas::{self, PersonaChange};

use crate::{audit::note, http::error::ApiError};

/// The changed persona; `None` where there is no such persona of this owner.
pub(crate) async fn change(
    pool: &PgPool,
    by: &By,
    owner: UserId,
    slug: &str,
    change: &PersonaChange<'_>,
) -> Result<Option<Persona>, ApiError> {
    let mut transaction = pool.begin().await?;
    let Some(before) = personas::lock_visibility(&mut *transaction, owner, slug).await? else { return Ok(None) };
    let Some(persona) = personas::update(&mut *transaction, owner, slug, change).await? else { return Ok(None) };
    let target = || On::thing("persona", persona.id).of(owner);
    let settings = change.named();
    if !settings.is_empty() {
        let changed = by.does("persona.changed").on(target()).after(json!({"slug": slug, "settings": settings}));
        note(&mut *transaction, &changed).await?;
    }
    if before != persona.visibility {
        let changed = by.does("persona.visibility_changed").on(target()).before(before).after(persona.visibility);
        note(&mut *transaction, &changed).await?;
    }
    transaction.commit().await?;
    Ok(Some(persona))
}

/// Deletes the persona with its conversations; `false` where there is no such persona.
pub(crate) async fn delete(pool: &PgPool, by: &By, owner: UserId, slug: &str) -> Result<bool, ApiError> {
    let mut transaction = pool.begin().await?;
    let Some(id) = personas::delete(&mut *transaction, owner, slug).await? else { return Ok(false) };
    let deleted = by.does("persona.deleted").on(On::thing("persona", id).of(owner)).before(json!({"slug": slug}));
    note(&mut *transaction, &deleted).await?;
    transaction.commit().await?;
    Ok(true)
}
