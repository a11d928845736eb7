//! The caller's API keys.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use troupe_core::{ids::CredentialId, model::audit::On};
use troupe_db::accounts::{
    api_keys::{self, ApiKey},
    users,
};

use crate::{
    accounts::{
        Accounts,
        api_keys::{Made, Wanted, make},
    },
    audit::note,
    auth::{actor::Actor, caller::Caller},
    http::{
        error::ApiError,
        extract::{body::Body, path::Id},
    },
};

const TAG: &str = "accounts";

/// Make an API key
///
/// It is shown this once. An `Idempotency-Key` counts for nothing here: an answer with a secret is not kept.
#[utoipa::path(post, path = "/api-keys", tag = TAG, security(("token" = ["account:write"])), request_body = Wanted,
    responses((status = 201, body = Made), (status = 409, description = "there are as many keys as there may be")))]
pub(crate) async fn create_api_key(
    State(accounts): State<Arc<Accounts>>,
    Caller(user): Caller,
    Actor(by): Actor,
    Body(wanted): Body<Wanted>,
) -> Result<(StatusCode, Json<Made>), ApiError> {
    let role = users::role(&accounts.pool, user).await?.ok_or(ApiError::Unauthenticated("the account is gone"))?;
    wanted.check(role)?;
    let mut transaction = accounts.pool.begin().await?;
    let made = make(&mut transaction, &by, user, &wanted, accounts.config.auth.keys_per_user).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// One's API keys, the newest first
#[utoipa::path(get, path = "/api-keys", tag = TAG, security(("token" = ["account:read"])),
    responses((status = 200, body = Vec<ApiKey>)))]
pub(crate) async fn list_api_keys(
    State(accounts): State<Arc<Accounts>>,
    Caller(user): Caller,
) -> Result<Json<Vec<ApiKey>>, ApiError> {
    Ok(Json(api_keys::list(&accounts.pool, user).await?))
}

/// Delete an API key: it ends at once, with its sockets
#[utoipa::path(delete, path = "/api-keys/{id}", tag = TAG, security(("token" = ["account:write"])),
    params(("id" = CredentialId, Path)), responses((status = 204), (status = 404, description = "no such key of yours")))]
pub(crate) async fn delete_api_key(
    State(accounts): State<Arc<Accounts>>,
    Caller(user): Caller,
    Actor(by): Actor,
    Id(id): Id<CredentialId>,
) -> Result<StatusCode, ApiError> {
    let mut transaction = accounts.pool.begin().await?;
    if !api_keys::delete(&mut *transaction, user, id).await? {
        return Err(ApiError::NotFound("API key"));
    }
    note(&mut *transaction, &by.does("key.deleted").on(On::thing("api_key", id).of(user))).await?;
    transaction.commit().await?;
    accounts.auth.revocations.add(&[id]);
    tracing::info!(user_id = %user, credential_id = %id, "deleted an API key");
    Ok(StatusCode::NO_CONTENT)
}
