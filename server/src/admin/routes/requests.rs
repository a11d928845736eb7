//! Requests of all users for admins: their state, never their content.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Deserialize;
use troupe_core::ids::RequestId;
use utoipa::ToSchema;

use super::MAX_REASON_CHARACTERS;
use crate::{
    admin::{
        Admin,
        requests::{LoggedEvent, cancel, events},
        why_waiting::{WaitingView, why_waiting},
    },
    auth::actor::Actor,
    http::{
        error::ApiError,
        extract::{body::Body, paging::Listed, path::Id, validation::Checks},
    },
};

/// Why a request is waiting
#[utoipa::path(get, path = "/admin/requests/{id}/waiting", tag = super::TAG, security(("token" = ["operations:read"])), params(("id" = RequestId, Path)),
    responses((status = 200, body = WaitingView), (status = 404, description = "no such request")))]
pub(crate) async fn explain_waiting(
    State(admin): State<Arc<Admin>>,
    Id(id): Id<RequestId>,
) -> Result<Json<WaitingView>, ApiError> {
    why_waiting(&admin, id).await.map(Json)
}

/// The events of a request, one by one
///
/// What clients were sent, and when: kinds and sizes, never the text. Kept as long as a client may resume
/// (`events.log_ttl`); empty after that.
#[utoipa::path(get, path = "/admin/requests/{id}/events", tag = super::TAG, security(("token" = ["operations:read"])), params(("id" = RequestId, Path)),
    responses((status = 200, body = Listed<LoggedEvent>), (status = 404, description = "no such request")))]
pub(crate) async fn list_request_events(
    State(admin): State<Arc<Admin>>,
    Id(id): Id<RequestId>,
) -> Result<Json<Listed<LoggedEvent>>, ApiError> {
    Ok(Json(Listed { items: events(&admin, id).await?, next: None }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CancelRequest {
    /// For the audit log.
    #[schema(example = "it asks a provider that hangs", min_length = 1, max_length = 500)]
    reason: String,
}

/// Cancel a request of any user
///
/// What was shown of the reply is kept, as when its user cancels it.
#[utoipa::path(post, path = "/admin/requests/{id}/cancel", tag = super::TAG, security(("token" = ["operations:write"])), params(("id" = RequestId, Path)),
    request_body = CancelRequest, responses((status = 200, body = WaitingView), (status = 404, description = "no such request"),
        (status = 409, description = "it has ended before")))]
pub(crate) async fn cancel_any_request(
    State(admin): State<Arc<Admin>>,
    Actor(by): Actor,
    Id(id): Id<RequestId>,
    Body(CancelRequest { reason }): Body<CancelRequest>,
) -> Result<Json<WaitingView>, ApiError> {
    Checks::default().text("reason", &reason, 1..=MAX_REASON_CHARACTERS).done()?;
    cancel(&admin, &by, id, &reason).await?;
    why_waiting(&admin, id).await.map(Json)
}
