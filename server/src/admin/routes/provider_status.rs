//! The model services, as they stand.

use std::sync::Arc;

use axum::{Json, extract::State};

use crate::{
    admin::{
        Admin,
        provider_status::{AiStatus, ai_status},
    },
    http::error::ApiError,
};

/// The model services: which are well, which rest and until when, and how fast they are
#[utoipa::path(get, path = "/admin/ai/status", tag = super::TAG, security(("token" = ["operations:read"])), responses((status = 200, body = AiStatus)))]
pub(crate) async fn read_ai_status(State(admin): State<Arc<Admin>>) -> Result<Json<AiStatus>, ApiError> {
    ai_status(&admin).await.map(Json)
}
