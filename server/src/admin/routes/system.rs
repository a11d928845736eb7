//! The processes of the service.

use std::sync::Arc;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::Serialize;
use troupe_core::{ids::ProcessId, model::admin::ProcessKind};
use troupe_db::operations::processes::{self, Process};
use utoipa::ToSchema;

use crate::{admin::Admin, http::error::ApiError};

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SystemView {
    /// Those that were there within the last minutes, by their own word each quarter of a minute.
    processes: Vec<ProcessView>,
}

/// A server or a worker.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProcessView {
    id: ProcessId,
    kind: ProcessKind,
    version: String,
    host: String,
    started_at: DateTime<Utc>,
    seen_at: DateTime<Utc>,
    rss_bytes: i64,
    cpu_seconds: f64,
    pool: PoolView,
    /// Open sockets of users; null of workers.
    sockets: Option<i32>,
}

/// Connections to PostgreSQL.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PoolView {
    size: i32,
    in_use: i32,
}

impl From<Process> for ProcessView {
    fn from(process: Process) -> Self {
        Self {
            id: process.id,
            kind: process.kind,
            version: process.version,
            host: process.host,
            started_at: process.started_at,
            seen_at: process.seen_at,
            rss_bytes: process.memory_bytes,
            cpu_seconds: process.cpu_seconds,
            pool: PoolView { size: process.pool_size, in_use: process.pool_size - process.pool_idle },
            sockets: process.sockets,
        }
    }
}

/// The processes: their versions, how long they run, and what they use
#[utoipa::path(get, path = "/admin/system", tag = super::TAG, security(("token" = ["operations:read"])), responses((status = 200, body = SystemView)))]
pub(crate) async fn read_system(State(admin): State<Arc<Admin>>) -> Result<Json<SystemView>, ApiError> {
    let processes = processes::list(&admin.pool).await?;
    Ok(Json(SystemView { processes: processes.into_iter().map(ProcessView::from).collect() }))
}
