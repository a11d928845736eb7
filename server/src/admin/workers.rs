//! Workers as admins want them: paused, drained, or with other places for replies. Each follows its row within a
//! heartbeat.

use serde::Serialize;
use troupe_core::model::{
    admin::{Worker, WorkerState},
    audit::{By, On},
};
use troupe_db::{
    operations::workers::{self, Orders},
    replies::queue_state,
};

use super::{Admin, queue_snapshot::workers_at_work};
use crate::{
    audit::note,
    http::error::{ApiError, ProblemCode},
};

const MISSING: ApiError = ApiError::NotFound("worker");

/// What changes of a worker; what is not given stays.
pub(crate) struct WorkerChange {
    pub(crate) state: Option<WorkerState>,
    pub(crate) concurrency: Option<i32>,
    pub(crate) reason: String,
}

/// As the audit log has it.
#[derive(Serialize)]
struct Noted<'a> {
    state: WorkerState,
    concurrency: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

pub(crate) async fn list(admin: &Admin) -> Result<Vec<Worker>, ApiError> {
    let running = queue_state::running(&admin.pool).await?;
    Ok(workers_at_work(&admin.pool, running).await?.0)
}

/// Changes what is wanted of a worker, and notes why.
pub(crate) async fn change(admin: &Admin, by: &By, name: &str, change: WorkerChange) -> Result<Worker, ApiError> {
    let WorkerChange { state: wanted, concurrency, reason } = change;
    let mut transaction = admin.pool.begin().await?;
    let before = workers::lock(&mut *transaction, name).await?.ok_or(MISSING)?;
    if before.state == WorkerState::Draining {
        return Err(ApiError::conflict(ProblemCode::WorkerDraining, "the worker ends: nothing brings it back"));
    }
    let after = Orders { state: wanted.unwrap_or(before.state), slots: concurrency.unwrap_or(before.slots) };
    workers::order(&mut *transaction, name, after, &reason).await?;
    let noted = by.does("worker.changed").on(On::thing("worker", name));
    let noted = noted.before(Noted { state: before.state, concurrency: before.slots, reason: None });
    let noted = noted.after(Noted { state: after.state, concurrency: after.slots, reason: Some(&reason) });
    note(&mut *transaction, &noted).await?;
    transaction.commit().await?;
    tracing::info!(admin_id = by.user.map(tracing::field::display), worker = name, state = ?after.state, "a worker is changed");
    list(admin).await?.into_iter().find(|worker| worker.name == name).ok_or(MISSING)
}
