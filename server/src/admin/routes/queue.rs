//! The queue, as it stands.

use std::sync::Arc;

use axum::{Json, extract::State};

use crate::{
    admin::{
        Admin,
        queue_state::{QueueState, queue_state},
    },
    http::error::ApiError,
};

/// The queue: how full, how fast, and who does what
///
/// What is counted in PostgreSQL may be two seconds old. The same comes live over a socket that sends `queue.watch`.
#[utoipa::path(get, path = "/admin/queue", tag = super::TAG, security(("token" = ["operations:read"])), responses((status = 200, body = QueueState)))]
pub(crate) async fn read_queue(State(admin): State<Arc<Admin>>) -> Result<Json<QueueState>, ApiError> {
    queue_state(&admin).await.map(Json)
}
