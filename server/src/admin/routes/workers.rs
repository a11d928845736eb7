//! Workers: list, pause, drain and resize them.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Deserialize;
use troupe_core::model::admin::{Worker, WorkerState};
use utoipa::ToSchema;
use uuid::Uuid;

use super::MAX_REASON_CHARACTERS;
use crate::{
    admin::{
        Admin,
        workers::{self, WorkerChange},
    },
    auth::actor::Actor,
    http::{
        error::ApiError,
        extract::{body::Body, paging::Listed, path::Id, validation::Checks},
    },
};

const MAX_CONCURRENCY: i32 = 10_000;

/// The wanted state of a worker; omitted fields stay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeWorker {
    state: Option<WorkerState>,
    /// Concurrent replies.
    #[schema(minimum = 1, maximum = 10_000)]
    concurrency: Option<i32>,
    /// The reason, for the audit log.
    #[schema(example = "its machine is being replaced", min_length = 1, max_length = 500)]
    reason: String,
}

/// The workers, and what each is running
#[utoipa::path(get, path = "/admin/workers", tag = super::TAG, security(("token" = ["operations:read"])), responses((status = 200, body = Listed<Worker>)))]
pub(crate) async fn list_workers(State(admin): State<Arc<Admin>>) -> Result<Json<Listed<Worker>>, ApiError> {
    Ok(Json(Listed { items: workers::list(&admin).await?, next: None }))
}

/// Pause, drain or resize a worker
///
/// A paused worker claims nothing more and finishes what runs. A draining one then exits; what still runs after
/// `worker.drain` is handed back. The worker follows within seconds.
#[utoipa::path(patch, path = "/admin/workers/{id}", tag = super::TAG, security(("token" = ["operations:write"])),
    params(("id" = Uuid, Path, description = "the worker's name")), request_body = ChangeWorker,
    responses((status = 200, body = Worker), (status = 404, description = "no such worker"), (status = 409, description = "it is draining")))]
pub(crate) async fn change_worker(
    State(admin): State<Arc<Admin>>,
    Actor(by): Actor,
    Id(id): Id<Uuid>,
    Body(ChangeWorker { state: wanted, concurrency, reason }): Body<ChangeWorker>,
) -> Result<Json<Worker>, ApiError> {
    let mut checks = Checks::default();
    checks.text("reason", &reason, 1..=MAX_REASON_CHARACTERS);
    let sound = concurrency.is_none_or(|concurrency| (1..=MAX_CONCURRENCY).contains(&concurrency));
    checks.rule(sound, "concurrency", format!("must be from 1 to {MAX_CONCURRENCY}")).done()?;
    let change = WorkerChange { state: wanted, concurrency, reason };
    workers::change(&admin, &by, &id.to_string(), change).await.map(Json)
}
