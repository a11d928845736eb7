//! Requests of all users for admins: their state, never their content.

use std::sync::Arc;

use axum::{Json, extract::State};
use troupe_core::ids::RequestId;

use crate::{
    admin::{
        Admin,
        why_waiting::{WaitingView, why_waiting},
    },
    http::{error::ApiError, extract::path::Id},
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
