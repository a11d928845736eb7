//! The audit log for admins: list, export and verify it.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use troupe_core::model::audit::AuditEntry;
use troupe_db::operations::audit::{self, Filter, Order};
use utoipa::IntoParams;
use uuid::Uuid;

use super::TAG;
use crate::{
    admin::{
        Admin,
        audit::{
            export::lines,
            verify::{MAX_ENTRIES, Stretch, Verified, verify},
        },
    },
    audit::note,
    auth::actor::Actor,
    http::{
        error::ApiError,
        extract::{
            paging::{Listed, Paging, Params},
            validation::Checks,
        },
    },
};

const MAX_FILTER_CHARS: usize = 500;

/// A filter of entries, and a page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// The `next` of the page before.
    after: Option<String>,
    /// The maximum number of items: 1 to 100, 50 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
    /// The actor: the id of a user, or a `subject` of the log.
    actor: Option<Uuid>,
    /// The user concerned: likewise.
    about: Option<Uuid>,
    /// The action.
    #[param(example = "tier.changed")]
    verb: Option<String>,
    #[param(example = "tier")]
    target_kind: Option<String>,
    target_id: Option<String>,
    /// At this time or later.
    since: Option<DateTime<Utc>>,
    /// Before this time.
    until: Option<DateTime<Utc>>,
    correlation_id: Option<String>,
}

/// A filter of entries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditSpan {
    /// The actor: the id of a user, or a `subject` of the log.
    actor: Option<Uuid>,
    /// The user concerned: likewise.
    about: Option<Uuid>,
    /// The action.
    verb: Option<String>,
    target_kind: Option<String>,
    target_id: Option<String>,
    /// At this time or later.
    since: Option<DateTime<Utc>>,
    /// Before this time.
    until: Option<DateTime<Utc>>,
    correlation_id: Option<String>,
}

impl AuditSpan {
    fn validate(self) -> Result<Filter, ApiError> {
        let Self { actor, about, verb, target_kind, target_id, since, until, correlation_id } = self;
        let mut checks = Checks::default();
        for (name, text) in [
            ("verb", &verb),
            ("target_kind", &target_kind),
            ("target_id", &target_id),
            ("correlation_id", &correlation_id),
        ] {
            if let Some(text) = text {
                checks.text(name, text, 1..=MAX_FILTER_CHARS);
            }
        }
        checks.done()?;
        Ok(Filter { actor, about, verb, target_kind, target_id, since, until, correlation_id })
    }
}

/// The audit log, the newest first
#[utoipa::path(get, path = "/admin/audit", tag = TAG, security(("token" = ["audit:read"])), params(AuditQuery), responses((status = 200, body = Listed<AuditEntry>)))]
pub(crate) async fn list_audit(
    State(admin): State<Arc<Admin>>,
    Params(query): Params<AuditQuery>,
) -> Result<Json<Listed<AuditEntry>>, ApiError> {
    let AuditQuery { after, limit, actor, about, verb, target_kind, target_id, since, until, correlation_id } = query;
    let page = Paging { after, limit }.page()?;
    let span = AuditSpan { actor, about, verb, target_kind, target_id, since, until, correlation_id };
    let filter = span.validate()?;
    let items = admin.reads.run(|db| audit::list(db, &filter, Order::NewestFirst, page)).await?;
    Ok(Json(Listed::new(items, page.limit, |entry| entry.position)))
}

/// Export the audit log
///
/// JSON Lines, the oldest first: every entry with its hash. The export is an entry itself.
#[utoipa::path(get, path = "/admin/audit/export", tag = TAG, security(("token" = ["audit:read"])), params(AuditSpan),
    responses((status = 200, content((AuditEntry = "application/jsonl")), description = "an entry a line")))]
pub(crate) async fn export_audit(
    State(admin): State<Arc<Admin>>,
    Actor(by): Actor,
    Params(span): Params<AuditSpan>,
) -> Result<Response, ApiError> {
    let filter = span.validate()?;
    note(&admin.pool, &by.does("audit.exported")).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/jsonl"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"audit.jsonl\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::from_stream(lines(admin.reads.clone(), filter))).into_response())
}

/// The range to verify.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FromWhere {
    /// A `reached` or `next` of an earlier response; from the beginning by default.
    after: Option<String>,
    /// The maximum number of entries: 1 to 100000, the default.
    #[param(minimum = 1, maximum = 100_000)]
    limit: Option<i64>,
}

/// Verify the audit log
///
/// No entry may be missing, and each must have the hash that follows from all entries before it. Where there are more
/// entries than one call verifies, `next` is where to continue.
#[utoipa::path(get, path = "/admin/audit/verify", tag = TAG, security(("token" = ["audit:read"])), params(FromWhere), responses((status = 200, body = Verified)))]
pub(crate) async fn verify_audit(
    State(admin): State<Arc<Admin>>,
    Params(FromWhere { after, limit }): Params<FromWhere>,
) -> Result<Json<Verified>, ApiError> {
    let after = after.as_deref().map(str::parse).transpose();
    let after = after.map_err(|()| ApiError::field("after", "is not the reached or next of any answer"))?;
    let limit = limit.unwrap_or(MAX_ENTRIES);
    if !(1..=MAX_ENTRIES).contains(&limit) {
        return Err(ApiError::field("limit", format!("must be from 1 to {MAX_ENTRIES}")));
    }
    let stretch = Stretch { after, limit, time: admin.config.server.call_timeout / 2 };
    let verified = verify(&admin.pool, stretch).await?;
    verified.log();
    Ok(Json(verified))
}
