//! The status of the providers.

use std::sync::Arc;

use axum::{Json, extract::State};

use crate::{
    admin::{
        Admin,
        provider_status::{AiStatus, ai_status},
    },
    http::error::ApiError,
};

/// The providers: their health, until when they rest, and their latencies
#[utoipa::path(get, path = "/admin/ai/status", tag = super::TAG, security(("token" = ["operations:read"])), responses((status = 200, body = AiStatus)))]
pub(crate) async fn read_ai_status(State(admin): State<Arc<Admin>>) -> Result<Json<AiStatus>, ApiError> {
    ai_status(&admin).await.map(Json)
}
