//! Control of workers by admins: pause, drain, resize. Each worker follows its row within a heartbeat.

use serde::Serialize;
use sqlx::PgConnection;
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

/// A change of a worker; `None` leaves a setting unchanged.
pub(crate) struct WorkerChange {
    pub(crate) state: Option<WorkerState>,
    pub(crate) concurrency: Option<i32>,
    pub(crate) reason: String,
}

/// The state in the audit log.
#[derive(Serialize)]
struct AuditedState<'a> {
    state: WorkerState,
    concurrency: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

pub(crate) async fn list(admin: &Admin) -> Result<Vec<Worker>, ApiError> {
    Ok(read(&mut *admin.pool.acquire().await?).await?)
}

async fn read(db: &mut PgConnection) -> Result<Vec<Worker>, sqlx::Error> {
    let running = queue_state::running(&mut *db).await?;
    Ok(workers_at_work(db, running).await?.0)
}

/// Changes the wanted state of a worker, with an audited reason.
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
    let noted = noted.before(AuditedState { state: before.state, concurrency: before.slots, reason: None });
    let noted = noted.after(AuditedState { state: after.state, concurrency: after.slots, reason: Some(&reason) });
    note(&mut *transaction, &noted).await?;
    // Before the commit: a worker that is told to drain may be gone right after it.
    let workers = read(&mut transaction).await?;
    transaction.commit().await?;
    tracing::info!(admin_id = by.user.map(tracing::field::display), worker = name, state = ?after.state, "a worker is changed");
    workers.into_iter().find(|worker| worker.name == name).ok_or(MISSING)
}
