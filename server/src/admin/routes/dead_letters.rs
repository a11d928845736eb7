//! Dead letters: list, retry and discard them.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use troupe_core::{
    ids::{RequestId, UserId},
    model::admin::{Attempt, DeadLetter, Tokens},
};
use troupe_db::replies::dead_letters::{self, Filter};
use utoipa::{IntoParams, ToSchema};

use crate::{
    admin::{
        Admin,
        dead_letters::{discard, retry, select},
    },
    auth::actor::Actor,
    http::{
        error::{ApiError, ProblemCode},
        extract::{
            body::Body,
            correlation::CorrelationId,
            paging::{Listed, Paging, Params},
            path::Id,
            validation::Checks,
        },
    },
};

const MISSING: ApiError = ApiError::NotFound("dead letter");
const MAX_WORD_CHARS: usize = 200;
const MAX_IDS: usize = 1_000;

/// A filter of dead letters, and a page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeadLetterQuery {
    /// The `next` of the page before.
    after: Option<String>,
    /// The maximum number of items: 1 to 100, 50 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
    tier: Option<String>,
    user: Option<UserId>,
    /// The slug of a persona.
    persona: Option<String>,
    /// The code of the problem that the user got.
    code: Option<String>,
    /// Words in the cause of the failure.
    cause: Option<String>,
    /// Failed at this time or later.
    since: Option<DateTime<Utc>>,
    /// Failed before this time.
    until: Option<DateTime<Utc>>,
}

/// A filter of dead letters; omitted fields match all.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeadLetterFilter {
    /// Only these, 1,000 at most.
    ids: Option<Vec<RequestId>>,
    tier: Option<String>,
    user: Option<UserId>,
    /// The slug of a persona.
    persona: Option<String>,
    /// The code of the problem that the user got.
    code: Option<String>,
    /// Words in the cause of the failure.
    cause: Option<String>,
    /// Failed at this time or later.
    since: Option<DateTime<Utc>>,
    /// Failed before this time.
    until: Option<DateTime<Utc>>,
}

impl DeadLetterFilter {
    /// The validated filter; `within` is the path of its fields in the request.
    fn validate(self, within: &str) -> Result<Filter, ApiError> {
        let Self { ids, tier, user, persona, code, cause, since, until } = self;
        let mut checks = Checks::default();
        for (name, text) in [("tier", &tier), ("persona", &persona), ("code", &code), ("cause", &cause)] {
            if let Some(text) = text {
                checks.text(&format!("{within}{name}"), text, 1..=MAX_WORD_CHARS);
            }
        }
        let few = ids.as_ref().is_none_or(|ids| ids.len() <= MAX_IDS);
        checks.rule(few, &format!("{within}ids"), format!("must not be more than {MAX_IDS}")).done()?;
        Ok(Filter { ids, tier, user, persona, code, cause, since, until })
    }
}

/// A bulk operation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettleMany {
    /// `{}` matches all.
    filter: DeadLetterFilter,
    /// Only count them and estimate the cost.
    #[serde(default)]
    dry_run: bool,
}

/// The result of a bulk operation, or of its dry run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SettledMany {
    dry_run: bool,
    /// How many this call resolved, or would resolve.
    count: usize,
    /// Whether there are more than one call resolves: then call again.
    more: bool,
    /// The estimated tokens of retrying all of them.
    estimate: Tokens,
}

/// A dead letter with its whole history.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeadLetterView {
    #[serde(flatten)]
    dead_letter: DeadLetter,
    history: Vec<Attempt>,
}

/// A new request for a dead letter.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Retried {
    request_id: RequestId,
    redrive_of: RequestId,
}

/// Dead letters that are not retried or discarded yet, the newest first
#[utoipa::path(get, path = "/admin/dead-letters", tag = super::TAG, security(("token" = ["operations:read"])), params(DeadLetterQuery),
    responses((status = 200, body = Listed<DeadLetter>)))]
pub(crate) async fn list_dead_letters(
    State(admin): State<Arc<Admin>>,
    Params(query): Params<DeadLetterQuery>,
) -> Result<Json<Listed<DeadLetter>>, ApiError> {
    let DeadLetterQuery { after, limit, tier, user, persona, code, cause, since, until } = query;
    let page = Paging { after, limit }.page()?;
    let filter = DeadLetterFilter { ids: None, tier, user, persona, code, cause, since, until }.validate("")?;
    let items = dead_letters::list(&admin.pool, &filter, page).await?;
    Ok(Json(Listed::new(items, page.limit, |dead_letter| dead_letter.id)))
}

/// One dead letter with its whole history, resolved or not
#[utoipa::path(get, path = "/admin/dead-letters/{id}", tag = super::TAG, security(("token" = ["operations:read"])), params(("id" = RequestId, Path)),
    responses((status = 200, body = DeadLetterView), (status = 404, description = "no request that failed")))]
pub(crate) async fn read_dead_letter(
    State(admin): State<Arc<Admin>>,
    Id(id): Id<RequestId>,
) -> Result<Json<DeadLetterView>, ApiError> {
    let dead_letter = dead_letters::find(&admin.pool, id).await?.ok_or(MISSING)?;
    let history = dead_letters::attempts(&admin.pool, id).await?;
    Ok(Json(DeadLetterView { dead_letter, history }))
}

/// Retry a dead letter
///
/// A new request takes over the question, at the end of its conversation; the old one stays failed.
#[utoipa::path(post, path = "/admin/dead-letters/{id}/retry", tag = super::TAG, security(("token" = ["operations:write"])), params(("id" = RequestId, Path)),
    responses(
        (status = 202, body = Retried, headers(("Location" = String, description = "why the new request is waiting"))),
        (status = 404, description = "no request that failed"),
        (status = 409, description = "settled already"),
    ))]
pub(crate) async fn retry_dead_letter(
    State(admin): State<Arc<Admin>>,
    Actor(by): Actor,
    CorrelationId(correlation_id): CorrelationId,
    Id(id): Id<RequestId>,
) -> Result<Response, ApiError> {
    let retried = retry(&admin, &by, &[id], &correlation_id).await?;
    let Some(&(redrive_of, request_id)) = retried.first() else { return Err(unresolvable(&admin, id).await) };
    let location = [(header::LOCATION, format!("/api/v1/admin/requests/{request_id}/waiting"))];
    Ok((StatusCode::ACCEPTED, location, Json(Retried { request_id, redrive_of })).into_response())
}

/// Discard a dead letter
#[utoipa::path(post, path = "/admin/dead-letters/{id}/discard", tag = super::TAG, security(("token" = ["operations:write"])), params(("id" = RequestId, Path)),
    responses((status = 204), (status = 404, description = "no request that failed"), (status = 409, description = "settled already")))]
pub(crate) async fn discard_dead_letter(
    State(admin): State<Arc<Admin>>,
    Actor(by): Actor,
    Id(id): Id<RequestId>,
) -> Result<StatusCode, ApiError> {
    if discard(&admin, &by, &[id]).await? == 0 {
        Err(unresolvable(&admin, id).await)
    } else {
        Ok(StatusCode::NO_CONTENT)
    }
}

/// Retry many dead letters
///
/// At most 10,000 in one call. Repeating the call after an error does the rest: none is retried twice.
#[utoipa::path(post, path = "/admin/dead-letters/retry", tag = super::TAG, security(("token" = ["operations:write"])), request_body = SettleMany,
    responses((status = 200, body = SettledMany)))]
pub(crate) async fn retry_dead_letters(
    State(admin): State<Arc<Admin>>,
    Actor(by): Actor,
    CorrelationId(correlation_id): CorrelationId,
    Body(SettleMany { filter, dry_run }): Body<SettleMany>,
) -> Result<Json<SettledMany>, ApiError> {
    let selection = select(&admin, &filter.validate("filter.")?).await?;
    let count =
        if dry_run { selection.ids.len() } else { retry(&admin, &by, &selection.ids, &correlation_id).await?.len() };
    Ok(Json(SettledMany { dry_run, count, more: selection.more, estimate: selection.estimate }))
}

/// Discard many dead letters
#[utoipa::path(post, path = "/admin/dead-letters/discard", tag = super::TAG, security(("token" = ["operations:write"])), request_body = SettleMany,
    responses((status = 200, body = SettledMany)))]
pub(crate) async fn discard_dead_letters(
    State(admin): State<Arc<Admin>>,
    Actor(by): Actor,
    Body(SettleMany { filter, dry_run }): Body<SettleMany>,
) -> Result<Json<SettledMany>, ApiError> {
    let selection = select(&admin, &filter.validate("filter.")?).await?;
    let count = if dry_run { selection.ids.len() } else { discard(&admin, &by, &selection.ids).await? };
    Ok(Json(SettledMany { dry_run, count, more: selection.more, estimate: selection.estimate }))
}

/// Why nothing was resolved.
async fn unresolvable(admin: &Admin, id: RequestId) -> ApiError {
    match dead_letters::find(&admin.pool, id).await {
        Ok(Some(_)) => {
            let detail = "it was tried again or discarded before";
            ApiError::conflict(ProblemCode::AlreadySettled, detail)
        }
        Ok(None) => MISSING,
        Err(error) => error.into(),
    }
}
