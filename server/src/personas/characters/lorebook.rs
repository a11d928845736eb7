//! Sets and removes the lorebook of a persona, with an audit entry.

use serde::Serialize;
use serde_json::json;
use sqlx::PgPool;
use troupe_characters::{Lorebook, lorebook::KeyFault};
use troupe_core::{
    ids::UserId,
    model::audit::{By, On},
};
use troupe_db::personas::{self, characters};
use utoipa::ToSchema;

use super::super::own::NO_PERSONA;
use crate::{audit::note, http::error::ApiError};

/// What was stored of a lorebook.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LorebookReport {
    entries: usize,
    /// Keys that match nothing.
    key_faults: Vec<KeyFault>,
    /// Decorators that nothing is made of.
    unknown_decorators: Vec<String>,
}

impl From<&Lorebook> for LorebookReport {
    fn from(book: &Lorebook) -> Self {
        Self { entries: book.len(), key_faults: book.faults(), unknown_decorators: book.unknown_decorators() }
    }
}

/// Puts this lorebook in the place of the one that there is; `None` removes it.
pub(super) async fn put(
    pool: &PgPool,
    by: &By,
    owner: UserId,
    slug: &str,
    book: Option<&Lorebook>,
) -> Result<(), ApiError> {
    let mut transaction = pool.begin().await?;
    let persona = personas::lock_own(&mut *transaction, owner, slug).await?.ok_or(NO_PERSONA)?;
    characters::put_lorebook(&mut transaction, persona, book.map(Lorebook::json)).await?;
    let changed = by.does("persona.changed").on(On::thing("persona", persona).of(owner));
    note(&mut *transaction, &changed.after(json!({"slug": slug, "settings": ["lorebook"]}))).await?;
    transaction.commit().await?;
    Ok(())
}
