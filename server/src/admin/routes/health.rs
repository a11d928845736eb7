//! The state of everything that the server stands on.

use std::sync::Arc;

use axum::{Json, extract::State};

use crate::{
    admin::{
        Admin,
        health::{DetailedHealth, detailed_health},
    },
    http::error::ApiError,
};

/// Whether everything that the server stands on is there and well, and what to do where it is not
///
/// PostgreSQL with its schema and its durability, Redis, clocks, workers, what waits for too long, and the providers.
/// The same as `troupe-server doctor` finds; looked at anew after five seconds.
#[utoipa::path(get, path = "/admin/health", tag = super::TAG, security(("token" = ["operations:read"])), responses((status = 200, body = DetailedHealth)))]
pub(crate) async fn read_detailed_health(State(admin): State<Arc<Admin>>) -> Result<Json<DetailedHealth>, ApiError> {
    detailed_health(&admin).await.map(Json)
}
