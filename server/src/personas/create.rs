//! Creates a persona, with an audit entry.

use serde_json::json;
use sqlx::PgConnection;
use troupe_core::model::{
    Persona,
    audit::{By, On},
};
use troupe_db::{
    personas::{self, NewPersona},
    violated_constraint,
};

use crate::{
    audit::note,
    http::error::{ApiError, ProblemCode},
};

/// Runs in the caller's transaction, for idempotency keys.
pub(crate) async fn create(db: &mut PgConnection, by: &By, new: &NewPersona<'_>) -> Result<Persona, ApiError> {
    let created = personas::create(&mut *db, new).await;
    let persona = created.map_err(|error| match violated_constraint(&error) {
        Some("personas_slug_key") => {
            ApiError::conflict(ProblemCode::SlugTaken, format!("there is a persona '{}' already", new.slug))
        }
        _ => error.into(),
    })?;
    let created = by.does("persona.created").on(On::thing("persona", persona.id).of(new.owner));
    note(db, &created.after(json!({"slug": persona.slug, "visibility": persona.visibility}))).await?;
    Ok(persona)
}
