//! Invitations, for where registration is not open (`registration.mode`).

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use troupe_core::ids::InvitationId;
use troupe_db::{
    Page,
    accounts::{invitations as stored, invitations::Invitation},
};
use utoipa::ToSchema;

use super::TAG;
use crate::{
    accounts::invitations::{self, CreatedInvitation},
    admin::Admin,
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

const MAX_DAYS: u32 = 365;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateInvitation {
    /// A note for the list.
    #[serde(default)]
    #[schema(example = "for Ada, by letter", max_length = 200)]
    note: String,
    /// `registration.invitation_ttl` by default.
    #[schema(minimum = 1, maximum = 365)]
    expires_in_days: Option<u32>,
}

/// Make an invitation
///
/// Its code opens one account, by `invitation` in `POST /auth/register`, and is shown only once. An `Idempotency-Key`
/// is ignored here: a response with a secret is not stored.
#[utoipa::path(post, path = "/admin/invitations", tag = TAG, security(("token" = ["users:write"])),
    request_body = CreateInvitation, responses((status = 201, body = CreatedInvitation)))]
pub(crate) async fn create_invitation(
    State(admin): State<Arc<Admin>>,
    Actor(by): Actor,
    Body(CreateInvitation { note, expires_in_days }): Body<CreateInvitation>,
) -> Result<(StatusCode, Json<CreatedInvitation>), ApiError> {
    let mut checks = Checks::default();
    checks.text("note", &note, 0..=200);
    let sound = expires_in_days.is_none_or(|days| (1..=MAX_DAYS).contains(&days));
    checks.rule(sound, "expires_in_days", format!("must be from 1 to {MAX_DAYS}"));
    checks.done()?;
    let days = expires_in_days.map(|days| Duration::from_hours(24 * u64::from(days)));
    let lasts = days.unwrap_or(admin.config.registration.invitation_ttl);
    let created = invitations::create(&admin.pool, &by, note.trim(), lasts).await?;
    Ok((StatusCode::CREATED, Json(created)))
}

/// Invitations, the newest first
#[utoipa::path(get, path = "/admin/invitations", tag = TAG, security(("token" = ["users:read"])), params(Paging),
    responses((status = 200, body = Listed<Invitation>)))]
pub(crate) async fn list_invitations(
    State(admin): State<Arc<Admin>>,
    Params(paging): Params<Paging>,
) -> Result<Json<Listed<Invitation>>, ApiError> {
    let page: Page<InvitationId> = paging.page()?;
    let items = stored::list(&admin.pool, page).await?;
    Ok(Json(Listed::new(items, page.limit, |invitation| invitation.id)))
}

/// Delete an invitation that was not used
#[utoipa::path(delete, path = "/admin/invitations/{id}", tag = TAG, security(("token" = ["users:write"])),
    params(("id" = InvitationId, Path)),
    responses((status = 204), (status = 404, description = "no such invitation, or it was used")))]
pub(crate) async fn delete_invitation(
    State(admin): State<Arc<Admin>>,
    Actor(by): Actor,
    Id(id): Id<InvitationId>,
) -> Result<StatusCode, ApiError> {
    let deleted = invitations::delete(&admin.pool, &by, id).await?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::NotFound("invitation")) }
}
