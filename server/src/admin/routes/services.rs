//! Services: accounts of machines, each with its own tokens.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use troupe_core::{
    ids::{CredentialId, UserId},
    model::{AccountRole, audit::On},
};
use troupe_db::{
    accounts::{
        api_keys::{self, ApiKey},
        services::{self, Service},
    },
    violated_constraint,
};
use utoipa::ToSchema;

use super::TAG;
use crate::{
    accounts::api_keys::{Made, Wanted, make},
    admin::Admin,
    audit::note,
    auth::{actor::Actor, permissions::Roles},
    http::{
        error::{ApiError, ProblemCode},
        extract::{body::Body, path::Id, validation::Checks},
    },
};

const MISSING: ApiError = ApiError::NotFound("service");

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateService {
    /// Lower-case letters, digits and hyphens.
    #[schema(example = "crm-sync", min_length = 2, max_length = 63)]
    name: String,
    /// Its first token. With permissions of admins the service becomes an admin.
    token: Wanted,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct NewService {
    service: Service,
    token: Made,
}

fn is_name(name: &str) -> bool {
    (2..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-')
}

/// Make a service with its first token
///
/// The token is shown only once.
#[utoipa::path(post, path = "/admin/services", tag = TAG, security(("token" = ["credentials:write"])),
    request_body = CreateService,
    responses((status = 201, body = NewService), (status = 409, description = "there is one of this name")))]
pub(crate) async fn create_service(
    State(admin): State<Arc<Admin>>,
    Actor(by): Actor,
    Body(CreateService { name, token }): Body<CreateService>,
) -> Result<(StatusCode, Json<NewService>), ApiError> {
    let rule = "must be 2 to 63 small letters, digits and hyphens, and not begin with one";
    Checks::default().rule(is_name(&name), "name", rule).done()?;
    let for_admins = token.check(AccountRole::Admin)?.iter().any(|scope| scope.roles() != Roles::Everybody);
    let mut transaction = admin.pool.begin().await?;
    let service = services::create(&mut *transaction, UserId::new(), &name, for_admins).await.map_err(|error| {
        if violated_constraint(&error) == Some("users_email_key") {
            ApiError::conflict(ProblemCode::ServiceExists, format!("there is a service '{name}' already"))
        } else {
            error.into()
        }
    })?;
    note(&mut *transaction, &by.does("service.created").on(On::service(service.id)).after(&service.name)).await?;
    let token = make(&mut transaction, &by, service.id, &token, admin.config.auth.keys_per_user).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(NewService { service, token })))
}

/// All services, the newest first
#[utoipa::path(get, path = "/admin/services", tag = TAG, security(("token" = ["credentials:write"])),
    responses((status = 200, body = Vec<Service>)))]
pub(crate) async fn list_services(State(admin): State<Arc<Admin>>) -> Result<Json<Vec<Service>>, ApiError> {
    Ok(Json(services::list(&admin.pool).await?))
}

/// Delete a service with its tokens and all that is its own
#[utoipa::path(delete, path = "/admin/services/{id}", tag = TAG, security(("token" = ["credentials:write"])),
    params(("id" = UserId, Path)), responses((status = 204)))]
pub(crate) async fn delete_service(
    State(admin): State<Arc<Admin>>,
    Actor(by): Actor,
    Id(id): Id<UserId>,
) -> Result<StatusCode, ApiError> {
    let mut transaction = admin.pool.begin().await?;
    // Before the deletion, while the log can still name it.
    note(&mut *transaction, &by.does("service.deleted").on(On::service(id))).await?;
    let ended = services::delete(&mut *transaction, id).await?.ok_or(MISSING)?;
    transaction.commit().await?;
    admin.accounts.auth.revocations.add(&ended);
    Ok(StatusCode::NO_CONTENT)
}

/// Make another token for a service, which lets it change over without a pause
#[utoipa::path(post, path = "/admin/services/{id}/tokens", tag = TAG, security(("token" = ["credentials:write"])),
    params(("id" = UserId, Path)), request_body = Wanted,
    responses((status = 201, body = Made), (status = 409, description = "it has as many tokens as it may")))]
pub(crate) async fn create_service_token(
    State(admin): State<Arc<Admin>>,
    Actor(by): Actor,
    Id(id): Id<UserId>,
    Body(wanted): Body<Wanted>,
) -> Result<(StatusCode, Json<Made>), ApiError> {
    let service = services::find(&admin.pool, id).await?.ok_or(MISSING)?;
    wanted.check(service.role)?;
    let mut transaction = admin.pool.begin().await?;
    let made = make(&mut transaction, &by, service.id, &wanted, admin.config.auth.keys_per_user).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// A service's tokens, the newest first
#[utoipa::path(get, path = "/admin/services/{id}/tokens", tag = TAG, security(("token" = ["credentials:write"])),
    params(("id" = UserId, Path)), responses((status = 200, body = Vec<ApiKey>)))]
pub(crate) async fn list_service_tokens(
    State(admin): State<Arc<Admin>>,
    Id(id): Id<UserId>,
) -> Result<Json<Vec<ApiKey>>, ApiError> {
    let service = services::find(&admin.pool, id).await?.ok_or(MISSING)?;
    Ok(Json(api_keys::list(&admin.pool, service.id).await?))
}

/// Delete a token of a service: it ends at once
#[utoipa::path(delete, path = "/admin/services/{id}/tokens/{token_id}", tag = TAG, security(("token" = ["credentials:write"])),
    params(("id" = UserId, Path), ("token_id" = CredentialId, Path)), responses((status = 204)))]
pub(crate) async fn delete_service_token(
    State(admin): State<Arc<Admin>>,
    Actor(by): Actor,
    Id((id, token)): Id<(UserId, CredentialId)>,
) -> Result<StatusCode, ApiError> {
    let service = services::find(&admin.pool, id).await?.ok_or(MISSING)?;
    let mut transaction = admin.pool.begin().await?;
    if !api_keys::delete(&mut *transaction, service.id, token).await? {
        return Err(ApiError::NotFound("token"));
    }
    note(&mut *transaction, &by.does("key.deleted").on(On::thing("api_key", token).of(service.id))).await?;
    transaction.commit().await?;
    admin.accounts.auth.revocations.add(&[token]);
    Ok(StatusCode::NO_CONTENT)
}
