//! Exports and deletions that admins start for users. Only the user can download the file.

use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use troupe_core::{
    ids::{AccountJobId, UserId},
    model::account_data::AccountJob,
};

use crate::{
    accounts::routes::account_data::{close_and_respond, find_export, start_export_idempotent},
    admin::Admin,
    auth::{actor::Actor, caller::Caller},
    http::{
        error::ApiError,
        extract::{idempotency::IdempotencyKey, path::Id},
    },
};

/// Export the data of a user
///
/// Only the user can download it, at `/auth/me/exports/{id}/content`.
#[utoipa::path(post, path = "/admin/users/{id}/exports", tag = super::TAG, security(("token" = ["users:write"])),
    params(("id" = UserId, Path)), responses((status = 202, body = AccountJob), (status = 409, description = "one is under way")))]
pub(crate) async fn create_users_export(
    State(admin): State<Arc<Admin>>,
    Caller(caller): Caller,
    Actor(by): Actor,
    Id(user): Id<UserId>,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Response, ApiError> {
    start_export_idempotent(&admin.accounts, by, caller, user, key, &format!("/api/v1/admin/users/{user}/exports"))
        .await
}

/// The progress of a user's export
#[utoipa::path(get, path = "/admin/users/{id}/exports/{export_id}", tag = super::TAG, security(("token" = ["users:read"])),
    params(("id" = UserId, Path), ("export_id" = AccountJobId, Path)), responses((status = 200, body = AccountJob)))]
pub(crate) async fn read_users_export(
    State(admin): State<Arc<Admin>>,
    Id((user, id)): Id<(UserId, AccountJobId)>,
) -> Result<Json<AccountJob>, ApiError> {
    find_export(&admin.accounts, user, id).await.map(Json)
}

/// Delete a user's account with all data
///
/// The account is closed at once, as if its user had done it. `GET /auth/deletions/{id}` has the progress.
#[utoipa::path(delete, path = "/admin/users/{id}", tag = super::TAG, security(("token" = ["users:write"])),
    params(("id" = UserId, Path)), responses((status = 202, body = AccountJob), (status = 409, description = "it is the last admin's")))]
pub(crate) async fn close_users_account(
    State(admin): State<Arc<Admin>>,
    Actor(by): Actor,
    Id(user): Id<UserId>,
) -> Result<Response, ApiError> {
    close_and_respond(&admin.accounts, &by, user).await
}
