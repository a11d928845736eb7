//! Moderation: list, hide and delete personas of all users.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use troupe_core::{
    ids::{PersonaId, UserId},
    model::{Visibility, moderation::ModeratedPersona},
};
use troupe_db::{
    Page,
    personas::moderation::{self, Filter},
};
use utoipa::{IntoParams, ToSchema};

use super::TAG;
use crate::{
    admin::Admin,
    admin::personas,
    auth::actor::Actor,
    http::{
        error::ApiError,
        extract::{
            body::Body,
            paging::{Listed, Paging, Params},
            path::Id,
            validation::Checks,
        },
    },
    personas::settings::is_slug,
};

const MISSING: ApiError = ApiError::NotFound("persona");

/// A filter of personas, and a page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichPersonas {
    /// Words of the slug or the name; the last one may be a prefix.
    #[param(max_length = 200)]
    search: Option<String>,
    owner: Option<UserId>,
    visibility: Option<Visibility>,
    /// Only hidden ones, or only the others.
    hidden: Option<bool>,
    /// The `next` of the page before.
    after: Option<String>,
    /// The maximum number of items: 1 to 100, 50 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HidePersona {
    /// Shown to the persona's owner.
    #[schema(example = "speaks for a person who has not agreed", min_length = 1, max_length = 500)]
    reason: String,
}

/// The personas of all users, the newest first
#[utoipa::path(get, path = "/admin/personas", tag = TAG, security(("token" = ["personas:inspect"])),
    params(WhichPersonas), responses((status = 200, body = Listed<ModeratedPersona>)))]
pub(crate) async fn list_all_personas(
    State(admin): State<Arc<Admin>>,
    Params(WhichPersonas { search, owner, visibility, hidden, after, limit }): Params<WhichPersonas>,
) -> Result<Json<Listed<ModeratedPersona>>, ApiError> {
    let page: Page<PersonaId> = Paging { after, limit }.page()?;
    let words = search.as_deref().map(str::trim).filter(|words| !words.is_empty());
    if let Some(words) = words {
        Checks::default().text("search", words, 1..=200).done()?;
    }
    let items = moderation::list(&admin.pool, Filter { words, owner, visibility, hidden }, page).await?;
    Ok(Json(Listed::new(items, page.limit, |persona| persona.id)))
}

/// A persona of any user
#[utoipa::path(get, path = "/admin/personas/{slug}", tag = TAG, security(("token" = ["personas:inspect"])),
    params(("slug" = String, Path)), responses((status = 200, body = ModeratedPersona)))]
pub(crate) async fn read_any_persona(
    State(admin): State<Arc<Admin>>,
    Id(slug): Id<String>,
) -> Result<Json<ModeratedPersona>, ApiError> {
    check_slug(&slug)?;
    moderation::find(&admin.pool, &slug).await?.map(Json).ok_or(MISSING)
}

/// Hide a persona
///
/// It answers no user: conversations with it are refused with `persona_hidden`, and messages that wait for its replies
/// fail with the same. Only its owner sees it, with the reason. A hidden one gets the new reason.
#[utoipa::path(post, path = "/admin/personas/{slug}/hide", tag = TAG, security(("token" = ["personas:moderate"])),
    params(("slug" = String, Path)), request_body = HidePersona, responses((status = 200, body = ModeratedPersona)))]
pub(crate) async fn hide_persona(
    State(admin): State<Arc<Admin>>,
    Actor(by): Actor,
    Id(slug): Id<String>,
    Body(HidePersona { reason }): Body<HidePersona>,
) -> Result<Json<ModeratedPersona>, ApiError> {
    Checks::default().text("reason", &reason, 1..=500).done()?;
    check_slug(&slug)?;
    personas::hide(&admin.pool, &by, &slug, reason.trim()).await.map(Json)
}

/// Show a hidden persona again
///
/// With the visibility that its owner has set. One that is not hidden is unchanged.
#[utoipa::path(post, path = "/admin/personas/{slug}/unhide", tag = TAG, security(("token" = ["personas:moderate"])),
    params(("slug" = String, Path)), responses((status = 200, body = ModeratedPersona)))]
pub(crate) async fn unhide_persona(
    State(admin): State<Arc<Admin>>,
    Actor(by): Actor,
    Id(slug): Id<String>,
) -> Result<Json<ModeratedPersona>, ApiError> {
    check_slug(&slug)?;
    personas::unhide(&admin.pool, &by, &slug).await.map(Json)
}

/// Delete a persona of any user, with all its conversations
#[utoipa::path(delete, path = "/admin/personas/{slug}", tag = TAG, security(("token" = ["personas:moderate"])),
    params(("slug" = String, Path)), responses((status = 204)))]
pub(crate) async fn delete_any_persona(
    State(admin): State<Arc<Admin>>,
    Actor(by): Actor,
    Id(slug): Id<String>,
) -> Result<StatusCode, ApiError> {
    check_slug(&slug)?;
    personas::delete(&admin.pool, &by, &slug).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn check_slug(slug: &str) -> Result<(), ApiError> {
    if is_slug(slug) { Ok(()) } else { Err(MISSING) }
}
