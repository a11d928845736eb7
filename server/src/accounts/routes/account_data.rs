//! Exports of a user's data, and deletion of the account.

use std::sync::Arc;

use axum::{
    Json,
    body::Body as Streamed,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use troupe_core::{
    ids::{AccountJobId, UserId},
    model::{
        account_data::{AccountJob, AccountJobKind},
        audit::{By, On},
    },
};
use troupe_db::accounts::account_jobs;
use utoipa::ToSchema;

use crate::{
    accounts::{
        Accounts,
        account_data::{close, confirm, file, start_export},
    },
    audit::note,
    auth::{actor::Actor, caller::Caller},
    http::{
        error::{ApiError, ProblemCode},
        extract::{
            body::Body,
            idempotency::{IdempotencyKey, REPLAYED},
            path::Id,
        },
        idempotent::{Created, Key, create_idempotent},
    },
};

const TAG: &str = "accounts";
const NO_EXPORT: ApiError = ApiError::NotFound("export");

/// Have a file made of all that is yours
///
/// A worker makes it: a zip of JSON files, with your documents. One is kept at a time, for `retention.exports`.
#[utoipa::path(post, path = "/auth/me/exports", tag = TAG, security(("token" = ["account:write"])),
    responses((status = 202, body = AccountJob), (status = 409, description = "one is under way")))]
pub(crate) async fn create_export(
    State(accounts): State<Arc<Accounts>>,
    Caller(user): Caller,
    Actor(by): Actor,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Response, ApiError> {
    start_export_idempotent(&accounts, by, user, user, key, "/api/v1/auth/me/exports").await
}

/// Starts an export for a user, idempotent by the caller's key.
pub(crate) async fn start_export_idempotent(
    accounts: &Accounts,
    by: By,
    caller: UserId,
    user: UserId,
    key: Option<String>,
    address: &str,
) -> Result<Response, ApiError> {
    let key = key.map(|key| Key::new(key, &[b"export", user.as_uuid().as_bytes()]));
    let created =
        create_idempotent(&accounts.pool, caller, key, |db| Box::pin(async move { start_export(db, &by, user).await }))
            .await?;
    Ok(match created {
        Created::New(job) => {
            let location = [(header::LOCATION, format!("{address}/{}", job.id))];
            (StatusCode::ACCEPTED, location, Json(job)).into_response()
        }
        Created::Replayed(answer) => (StatusCode::ACCEPTED, [REPLAYED], Json(answer)).into_response(),
    })
}

/// How far an export is
#[utoipa::path(get, path = "/auth/me/exports/{id}", tag = TAG, security(("token" = ["account:read"])),
    params(("id" = AccountJobId, Path)), responses((status = 200, body = AccountJob)))]
pub(crate) async fn read_export(
    State(accounts): State<Arc<Accounts>>,
    Caller(user): Caller,
    Id(id): Id<AccountJobId>,
) -> Result<Json<AccountJob>, ApiError> {
    find_export(&accounts, user, id).await.map(Json)
}

pub(crate) async fn find_export(accounts: &Accounts, user: UserId, id: AccountJobId) -> Result<AccountJob, ApiError> {
    let job = account_jobs::find(&accounts.pool, user, id).await?;
    job.filter(|job| job.kind == AccountJobKind::Export).ok_or(NO_EXPORT)
}

/// The file of an export that is done
#[utoipa::path(get, path = "/auth/me/exports/{id}/content", tag = TAG, security(("token" = ["account:write"])),
    params(("id" = AccountJobId, Path)),
    responses((status = 200, content((Vec<u8> = "application/zip"))), (status = 409, description = "it is not made yet, or has failed")))]
pub(crate) async fn read_export_content(
    State(accounts): State<Arc<Accounts>>,
    Caller(user): Caller,
    Actor(by): Actor,
    Id(id): Id<AccountJobId>,
) -> Result<Response, ApiError> {
    find_export(&accounts, user, id).await?;
    let size = account_jobs::file_size(&accounts.pool, user, id).await?.ok_or_else(|| {
        ApiError::conflict(ProblemCode::ExportNotReady, "the export has no file: its status says why")
    })?;
    note(&accounts.pool, &by.does("account.export_taken").on(On::thing("export", id).of(user))).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_LENGTH, size.to_string()),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"troupe-export.zip\"".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Streamed::from_stream(file(accounts.pool.clone(), id))).into_response())
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CloseAccount {
    #[schema(example = "correct horse battery staple")]
    password: String,
}

/// Delete your account, and all that is yours
///
/// It is closed at once, and signed out everywhere. A worker deletes conversations, memories, personas with all that
/// others have said to them, documents, and the account; how far it is, says `GET /auth/deletions/{id}`. Nothing brings
/// it back.
#[utoipa::path(delete, path = "/auth/me", tag = TAG, security(("token" = ["account:write"])), request_body = CloseAccount,
    responses((status = 202, body = AccountJob), (status = 409, description = "it is the last admin's")))]
pub(crate) async fn close_account(
    State(accounts): State<Arc<Accounts>>,
    Caller(user): Caller,
    Actor(by): Actor,
    Body(CloseAccount { password }): Body<CloseAccount>,
) -> Result<Response, ApiError> {
    confirm(&accounts, &by, user, password).await?;
    close_and_respond(&accounts, &by, user).await
}

pub(crate) async fn close_and_respond(accounts: &Accounts, by: &By, user: UserId) -> Result<Response, ApiError> {
    let job = close(accounts, by, user).await?;
    let location = [(header::LOCATION, format!("/api/v1/auth/deletions/{}", job.id))];
    Ok((StatusCode::ACCEPTED, location, Json(job)).into_response())
}

/// How far the deletion of an account is
///
/// For whoever has its id: nobody can sign in to ask.
#[utoipa::path(get, path = "/auth/deletions/{id}", tag = TAG, security(()), params(("id" = AccountJobId, Path)),
    responses((status = 200, body = AccountJob)))]
pub(crate) async fn read_deletion(
    State(accounts): State<Arc<Accounts>>,
    Id(id): Id<AccountJobId>,
) -> Result<Json<AccountJob>, ApiError> {
    account_jobs::find_deletion(&accounts.pool, id).await?.map(Json).ok_or(ApiError::NotFound("deletion"))
}
