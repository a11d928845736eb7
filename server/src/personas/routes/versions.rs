//! Versions of a persona of one's own.

use std::sync::Arc;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use troupe_core::model::Persona;
use troupe_db::personas::versions::{self, PersonaVersion};
use utoipa::ToSchema;

use crate::{
    auth::{actor::Actor, caller::Caller},
    http::{
        error::ApiError,
        extract::{
            paging::{Listed, Paging, Params},
            path::Id,
        },
    },
    personas::{Personas, own::own_persona, restore::restore},
};

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PersonaVersionView {
    version: i32,
    /// When the persona became so.
    created_at: DateTime<Utc>,
    /// The settings that are other than in the version before; empty in the oldest that is kept.
    changed: Vec<String>,
    /// All settings, by their names in `POST /personas`.
    #[schema(value_type = Object)]
    settings: Map<String, Value>,
}

impl From<PersonaVersion> for PersonaVersionView {
    fn from(PersonaVersion { version, created_at, settings, before }: PersonaVersion) -> Self {
        let settings = settings.0;
        let changed = before.map_or_else(Vec::new, |before| {
            let other = settings.iter().filter(|(name, value)| before.get(*name) != Some(value));
            other.map(|(name, _)| name.clone()).collect()
        });
        Self { version, created_at, changed, settings }
    }
}

/// The versions of a persona of one's own, the newest first
///
/// The first is the present one; the newest hundred before it are kept, or 4 MiB of them.
#[utoipa::path(get, path = "/personas/{slug}/versions", tag = "personas", security(("token" = ["personas:read"])), params(("slug" = String, Path), Paging),
    responses((status = 200, body = Listed<PersonaVersionView>), (status = 404, description = "no such persona of yours")))]
pub(crate) async fn list_persona_versions(
    State(personas): State<Arc<Personas>>,
    Caller(owner): Caller,
    Id(slug): Id<String>,
    Params(paging): Params<Paging>,
) -> Result<Json<Listed<PersonaVersionView>>, ApiError> {
    let page = paging.page()?;
    let persona = own_persona(&personas.pool, owner, &slug).await?;
    let versions = versions::list(&personas.pool, persona, page).await?;
    let items = versions.into_iter().map(PersonaVersionView::from).collect();
    Ok(Json(Listed::new(items, page.limit, |version: &PersonaVersionView| version.version)))
}

/// Restore an earlier version of a persona of one's own
///
/// Its settings become those of a new version; nothing is lost. The visibility stays as it is.
#[utoipa::path(post, path = "/personas/{slug}/versions/{version}/restore", tag = "personas", security(("token" = ["personas:write"])),
    params(("slug" = String, Path), ("version" = i32, Path)),
    responses((status = 200, body = Persona), (status = 404, description = "no such persona of yours, or no such version of it"),
        (status = 422, description = "a setting of then is invalid now, such as a provider that there is no more")))]
pub(crate) async fn restore_persona_version(
    State(personas): State<Arc<Personas>>,
    Caller(owner): Caller,
    Actor(by): Actor,
    Id((slug, version)): Id<(String, i32)>,
) -> Result<Json<Persona>, ApiError> {
    restore(&personas, &by, owner, &slug, version).await.map(Json)
}
