//! Users: list and change them.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use troupe_core::{
    ids::UserId,
    model::{AccountRole, UnknownAccountRole, User},
};
use troupe_db::{
    Page,
    accounts::{
        admin_users::{self, Filter},
        users,
    },
};
use utoipa::{IntoParams, ToSchema};

use super::TAG;
use crate::{
    admin::{Admin, users as change, users::UserChange},
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
};

const NO_TIER: &str = "there is no such tier";

/// A filter of users, and a page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichUsers {
    /// Words of the address; the last one may be a prefix: `lovelace ex` finds ada.lovelace@example.com.
    email: Option<String>,
    role: Option<String>,
    tier: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
    /// The maximum number of items: 1 to 100, 50 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
}

/// A change; omitted fields stay.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeUser {
    #[schema(example = "admin")]
    role: Option<String>,
    #[schema(example = "pro")]
    tier: Option<String>,
}

/// Parsed here rather than by serde, whose message would name the field of a query `query`.
fn checked_role(checks: &mut Checks, role: Option<&str>) -> Option<AccountRole> {
    role.map(str::parse).transpose().unwrap_or_else(|unknown: UnknownAccountRole| {
        checks.rule(false, "role", unknown.to_string());
        None
    })
}

/// Users, the newest first
#[utoipa::path(get, path = "/admin/users", tag = TAG, security(("token" = ["users:read"])), params(WhichUsers), responses((status = 200, body = Listed<User>)))]
pub(crate) async fn list_users(
    State(admin): State<Arc<Admin>>,
    Params(WhichUsers { email, role, tier, after, limit }): Params<WhichUsers>,
) -> Result<Json<Listed<User>>, ApiError> {
    let page: Page<UserId> = Paging { after, limit }.page()?;
    let mut checks = Checks::default();
    let role = checked_role(&mut checks, role.as_deref());
    checks.rule(tier.as_deref().is_none_or(|tier| !tier.contains('\0')), "tier", NO_TIER);
    checks.done()?;
    let filter = Filter { role, tier: tier.as_deref() };
    let users = match email.as_deref().map(str::trim).filter(|words| !words.is_empty()) {
        Some(words) => admin_users::search(&admin.pool, words, filter, page).await?,
        None => admin_users::list(&admin.pool, filter, page).await?,
    };
    Ok(Json(Listed::new(users, page.limit, |user| user.id)))
}

/// A user
#[utoipa::path(get, path = "/admin/users/{id}", tag = TAG, security(("token" = ["users:read"])), params(("id" = UserId, Path)), responses((status = 200, body = User)))]
pub(crate) async fn read_user(State(admin): State<Arc<Admin>>, Id(id): Id<UserId>) -> Result<Json<User>, ApiError> {
    users::find(&admin.pool, id).await?.map(Json).ok_or(ApiError::NotFound("user"))
}

/// Change a user's role or tier
///
/// A role applies from the next call on, a tier from the next message on; access tokens keep the rate limits of the
/// earlier tier until they are renewed. The last admin cannot be demoted.
#[utoipa::path(patch, path = "/admin/users/{id}", tag = TAG, security(("token" = ["users:write"])), params(("id" = UserId, Path)), request_body = ChangeUser,
    responses((status = 200, body = User), (status = 409, description = "there would be no admin any more")))]
pub(crate) async fn change_user(
    State(admin): State<Arc<Admin>>,
    Actor(by): Actor,
    Id(id): Id<UserId>,
    Body(ChangeUser { role, tier }): Body<ChangeUser>,
) -> Result<Json<User>, ApiError> {
    let mut checks = Checks::default();
    let role = checked_role(&mut checks, role.as_deref());
    checks.rule(tier.as_deref().is_none_or(|tier| !tier.contains('\0')), "tier", NO_TIER);
    checks.done()?;
    let wanted = UserChange { role, tier: tier.as_deref() };
    change::change(&admin, &by, id, wanted).await?.map(Json).ok_or(ApiError::NotFound("user"))
}

/// Sign a user out everywhere
///
/// Ends all sign-ins and deletes all API keys.
#[utoipa::path(post, path = "/admin/users/{id}/sign-out", tag = TAG, security(("token" = ["users:write"])),
    params(("id" = UserId, Path)), responses((status = 204)))]
pub(crate) async fn sign_user_out(
    State(admin): State<Arc<Admin>>,
    Actor(by): Actor,
    Id(id): Id<UserId>,
) -> Result<StatusCode, ApiError> {
    let user = users::find(&admin.pool, id).await?.ok_or(ApiError::NotFound("user"))?;
    change::sign_out(&admin, &by, user.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
