//! The state of the queue.

use std::sync::Arc;

use axum::{Json, extract::State};

use crate::{
    admin::{
        Admin,
        queue_state::{QueueState, queue_state},
    },
    http::error::ApiError,
};

/// The queue: its levels, its rates, and what each worker runs
///
/// Values from PostgreSQL may be two seconds old. A socket that sends `queue.watch` gets the same, live.
#[utoipa::path(get, path = "/admin/queue", tag = super::TAG, security(("token" = ["operations:read"])), responses((status = 200, body = QueueState)))]
pub(crate) async fn read_queue(State(admin): State<Arc<Admin>>) -> Result<Json<QueueState>, ApiError> {
    queue_state(&admin).await.map(Json)
}
