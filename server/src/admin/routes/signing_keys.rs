//! The keys that sign access tokens. A rotation signs nobody out.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use troupe_core::model::audit::On;
use troupe_db::accounts::signing_keys::{self, KeyView};

use super::TAG;
use crate::{admin::Admin, audit::note, auth::actor::Actor, http::error::ApiError};

/// The keys, the newest first, without their secrets
#[utoipa::path(get, path = "/admin/signing-keys", tag = TAG, security(("token" = ["credentials:write"])),
    responses((status = 200, body = Vec<KeyView>)))]
pub(crate) async fn list_signing_keys(State(admin): State<Arc<Admin>>) -> Result<Json<Vec<KeyView>>, ApiError> {
    Ok(Json(signing_keys::views(&admin.pool).await?))
}

/// Sign with a new key
///
/// It is used once every server has it, within a minute. Tokens of the other keys stay valid until they expire.
#[utoipa::path(post, path = "/admin/signing-keys", tag = TAG, security(("token" = ["credentials:write"])),
    responses((status = 201, body = KeyView)))]
pub(crate) async fn rotate_signing_keys(
    State(admin): State<Arc<Admin>>,
    Actor(by): Actor,
) -> Result<(StatusCode, Json<KeyView>), ApiError> {
    let key = admin.accounts.auth.tokens.rotate().await?;
    note(&admin.pool, &by.does("signing_key.rotated").on(On::thing("signing_key", &key.id))).await?;
    tracing::info!(key = key.id, "a new key is going to sign access tokens");
    Ok((StatusCode::CREATED, Json(key)))
}
