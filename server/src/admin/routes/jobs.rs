//! Jobs other than replies: list them, retry or discard the dead letters among them.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use troupe_core::{
    ids::JobId,
    model::{
        audit::By,
        jobs::{Job, JobStatus},
    },
};
use troupe_db::jobs::{dead_letters, list};
use utoipa::{IntoParams, ToSchema};

use crate::{
    admin::{
        Admin,
        jobs::{JobView, Resolution, explain, resolve, select},
    },
    auth::actor::Actor,
    http::{
        error::{ApiError, ProblemCode},
        extract::{
            body::Body,
            paging::{Listed, Paging, Params},
            path::Id,
            validation::Checks,
        },
    },
};

const MISSING: ApiError = ApiError::NotFound("job");
const MAX_KIND_CHARACTERS: usize = 100;
const MAX_IDS: usize = 1_000;

/// A filter of jobs, and a page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct JobQuery {
    /// The `next` of the page before.
    after: Option<String>,
    /// The maximum number of items: 1 to 100, 50 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
    #[param(example = "export")]
    kind: Option<String>,
    /// `failed` are the dead letters.
    #[param(inline)]
    status: Option<JobStatus>,
}

/// A filter of dead letters; omitted fields match all.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeadJobFilter {
    /// Only these, 1,000 at most.
    ids: Option<Vec<JobId>>,
    #[schema(example = "password_reset")]
    kind: Option<String>,
}

/// A bulk operation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettleJobs {
    /// `{}` matches all.
    filter: DeadJobFilter,
    /// Only count them.
    #[serde(default)]
    dry_run: bool,
}

/// The result of a bulk operation, or of its dry run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SettledJobs {
    dry_run: bool,
    /// How many this call resolved, or would resolve.
    count: usize,
    /// Whether there are more than one call resolves: then call again.
    more: bool,
}

fn checked_kind(kind: Option<String>, field: &str) -> Result<Option<String>, ApiError> {
    let mut checks = Checks::default();
    if let Some(kind) = &kind {
        checks.text(field, kind, 1..=MAX_KIND_CHARACTERS);
    }
    checks.done()?;
    Ok(kind)
}

/// Jobs other than replies, the newest first
///
/// Exports, deletions, indexing, e-mails, and scheduled jobs. Those with the status `failed` are dead letters.
#[utoipa::path(get, path = "/admin/jobs", tag = super::TAG, security(("token" = ["operations:read"])), params(JobQuery),
    responses((status = 200, body = Listed<Job>)))]
pub(crate) async fn list_jobs(
    State(admin): State<Arc<Admin>>,
    Params(JobQuery { after, limit, kind, status }): Params<JobQuery>,
) -> Result<Json<Listed<Job>>, ApiError> {
    let page = Paging { after, limit }.page()?;
    let filter = list::Filter { kind: checked_kind(kind, "kind")?, status };
    let items = list::list(&admin.pool, &filter, page).await?;
    Ok(Json(Listed::new(items, page.limit, |job| job.id)))
}

/// One job, and why it is waiting
#[utoipa::path(get, path = "/admin/jobs/{id}", tag = super::TAG, security(("token" = ["operations:read"])), params(("id" = JobId, Path)),
    responses((status = 200, body = JobView), (status = 404, description = "no such job")))]
pub(crate) async fn read_job(State(admin): State<Arc<Admin>>, Id(id): Id<JobId>) -> Result<Json<JobView>, ApiError> {
    explain(&admin, id).await?.map(Json).ok_or(MISSING)
}

/// Retry a dead letter among the jobs
///
/// Its attempts are counted from the beginning.
#[utoipa::path(post, path = "/admin/jobs/{id}/retry", tag = super::TAG, security(("token" = ["operations:write"])), params(("id" = JobId, Path)),
    responses((status = 202, body = JobView), (status = 404, description = "no such job"), (status = 409, description = "no dead letter, or another is open for the same")))]
pub(crate) async fn retry_job(
    State(admin): State<Arc<Admin>>,
    Actor(by): Actor,
    Id(id): Id<JobId>,
) -> Result<(StatusCode, Json<JobView>), ApiError> {
    resolve_one(&admin, &by, id, Resolution::Retry).await?;
    let job = explain(&admin, id).await?.ok_or(MISSING)?;
    Ok((StatusCode::ACCEPTED, Json(job)))
}

/// Discard a dead letter among the jobs
#[utoipa::path(post, path = "/admin/jobs/{id}/discard", tag = super::TAG, security(("token" = ["operations:write"])), params(("id" = JobId, Path)),
    responses((status = 204), (status = 404, description = "no such job"), (status = 409, description = "no dead letter")))]
pub(crate) async fn discard_job(
    State(admin): State<Arc<Admin>>,
    Actor(by): Actor,
    Id(id): Id<JobId>,
) -> Result<StatusCode, ApiError> {
    resolve_one(&admin, &by, id, Resolution::Discard).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Retry many dead letters among the jobs
///
/// At most 10,000 in one call. Repeating the call after an error does the rest: none is retried twice.
#[utoipa::path(post, path = "/admin/jobs/retry", tag = super::TAG, security(("token" = ["operations:write"])), request_body = SettleJobs,
    responses((status = 200, body = SettledJobs)))]
pub(crate) async fn retry_jobs(
    State(admin): State<Arc<Admin>>,
    Actor(by): Actor,
    Body(jobs): Body<SettleJobs>,
) -> Result<Json<SettledJobs>, ApiError> {
    resolve_many(&admin, &by, jobs, Resolution::Retry).await.map(Json)
}

/// Discard many dead letters among the jobs
#[utoipa::path(post, path = "/admin/jobs/discard", tag = super::TAG, security(("token" = ["operations:write"])), request_body = SettleJobs,
    responses((status = 200, body = SettledJobs)))]
pub(crate) async fn discard_jobs(
    State(admin): State<Arc<Admin>>,
    Actor(by): Actor,
    Body(jobs): Body<SettleJobs>,
) -> Result<Json<SettledJobs>, ApiError> {
    resolve_many(&admin, &by, jobs, Resolution::Discard).await.map(Json)
}

async fn resolve_many(
    admin: &Admin,
    by: &By,
    SettleJobs { filter: DeadJobFilter { ids, kind }, dry_run }: SettleJobs,
    resolution: Resolution,
) -> Result<SettledJobs, ApiError> {
    let few = ids.as_ref().is_none_or(|ids| ids.len() <= MAX_IDS);
    Checks::default().rule(few, "filter.ids", format!("must not be more than {MAX_IDS}")).done()?;
    let filter = dead_letters::Filter { ids, kind: checked_kind(kind, "filter.kind")? };
    let (ids, more) = select(admin, &filter).await?;
    let count = if dry_run { ids.len() } else { resolve(admin, by, &ids, resolution).await? };
    Ok(SettledJobs { dry_run, count, more })
}

async fn resolve_one(admin: &Admin, by: &By, id: JobId, resolution: Resolution) -> Result<(), ApiError> {
    if resolve(admin, by, &[id], resolution).await? > 0 {
        return Ok(());
    }
    let job = list::find(&admin.pool, id).await?.ok_or(MISSING)?;
    let detail = match job.status {
        JobStatus::Failed => "another job is open for the same thing",
        _ => "the job is no dead letter, or not any more",
    };
    Err(ApiError::conflict(ProblemCode::JobNotSettled, detail))
}
