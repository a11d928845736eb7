//! The answers of a persona's owner, visible to the owner only.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response as HttpResponse},
};
use serde::{Deserialize, Serialize};
use troupe_core::{
    ids::{QuestionId, UserId},
    model::interview::{MAX_CATEGORY_CHARS, MAX_CONTENT_CHARS, Response, ResponseStatus, ResponseVersion},
};
use troupe_db::interview::responses::{self, ResponseFilter};
use utoipa::{IntoParams, ToSchema};

use super::TAG;
use crate::{
    auth::caller::Caller,
    http::{
        error::ApiError,
        extract::{
            body::Body,
            paging::{Listed, Paging, Params},
            path::Id,
            validation::Checks,
        },
    },
    interview::{
        Interview,
        answers::{self, Answer, NO_RESPONSE},
    },
    personas::{
        own::{NO_PERSONA, own_persona},
        settings::is_slug,
    },
};

/// The maximum of versions that are shown with a response.
const VERSIONS_SHOWN: i64 = 100;

/// A filter of responses.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichResponses {
    status: Option<ResponseStatus>,
    #[param(example = "beginnings")]
    category: Option<String>,
    /// Words of the response or its question, without regard to case.
    #[param(example = "lighthouse", max_length = 200)]
    q: Option<String>,
    /// Only deleted ones, instead of the others.
    #[serde(default)]
    deleted: bool,
    /// The `next` of the page before.
    after: Option<String>,
    /// The maximum number of items: 1 to 100, 50 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
}

/// The answers of one's own persona, the newest first
#[utoipa::path(get, path = "/personas/{slug}/responses", tag = TAG, security(("token" = ["personas:read"])), params(("slug" = String, Path), WhichResponses),
    responses((status = 200, body = Listed<Response>)))]
pub(crate) async fn list_responses(
    State(interview): State<Arc<Interview>>,
    Caller(owner): Caller,
    Id(slug): Id<String>,
    Params(which): Params<WhichResponses>,
) -> Result<Json<Listed<Response>>, ApiError> {
    let page = Paging { after: which.after, limit: which.limit }.page()?;
    let mut checks = Checks::default();
    checks.text("category", which.category.as_deref().unwrap_or_default(), 0..=MAX_CATEGORY_CHARS);
    checks.text("q", which.q.as_deref().unwrap_or_default(), 0..=200).done()?;
    let persona = own_persona(&interview.pool, owner, &slug).await?;
    let filter = ResponseFilter {
        status: which.status,
        category: which.category.as_deref(),
        containing: which.q.as_deref().filter(|words| !words.is_empty()),
        deleted: which.deleted,
    };
    let items = responses::list(&interview.pool, persona, filter, page).await?;
    Ok(Json(Listed::new(items, page.limit, |response| response.id)))
}

/// A response with its earlier versions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ResponseWithHistory {
    #[serde(flatten)]
    response: Response,
    /// The newest first, 100 at most.
    history: Vec<ResponseVersion>,
}

/// The answer to one question, with its history
#[utoipa::path(get, path = "/personas/{slug}/responses/{question_id}", tag = TAG, security(("token" = ["personas:read"])),
    params(("slug" = String, Path), ("question_id" = QuestionId, Path)),
    responses((status = 200, body = ResponseWithHistory)))]
pub(crate) async fn read_response(
    State(interview): State<Arc<Interview>>,
    Caller(owner): Caller,
    Id((slug, question)): Id<(String, QuestionId)>,
) -> Result<HttpResponse, ApiError> {
    let persona = own_persona(&interview.pool, owner, &slug).await?;
    let found = responses::find(&interview.pool, persona, question).await?;
    let response = found.filter(|found| found.deleted_at.is_none()).ok_or(NO_RESPONSE)?;
    let history = responses::history(&interview.pool, response.id, VERSIONS_SHOWN).await?;
    let tag = etag(&response);
    Ok((tag, Json(ResponseWithHistory { response, history })).into_response())
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WriteResponse {
    #[schema(min_length = 1, max_length = 32768)]
    content: String,
    /// A `draft` is only stored; a `final` answer becomes knowledge of the persona.
    status: ResponseStatus,
}

/// Answer a question, or change the answer
///
/// Restores a deleted answer. With `If-Match` (the `ETag` of a response) it changes only an answer that still has that
/// version. The same answer again makes no new version.
#[utoipa::path(put, path = "/personas/{slug}/responses/{question_id}", tag = TAG, security(("token" = ["personas:write"])),
    params(("slug" = String, Path), ("question_id" = QuestionId, Path), ("If-Match" = Option<String>, Header)),
    request_body = WriteResponse,
    responses((status = 200, body = Response), (status = 201, body = Response, description = "the first answer"),
        (status = 412, description = "it is not at the version of `If-Match`")))]
pub(crate) async fn write_response(
    State(interview): State<Arc<Interview>>,
    Caller(owner): Caller,
    Id((slug, question)): Id<(String, QuestionId)>,
    IfMatch(expected_version): IfMatch,
    Body(WriteResponse { content, status }): Body<WriteResponse>,
) -> Result<HttpResponse, ApiError> {
    Checks::default().text("content", &content, 1..=MAX_CONTENT_CHARS).done()?;
    if !is_slug(&slug) {
        return Err(NO_PERSONA);
    }
    let answer = Answer { question, content: &content, status, expected_version };
    let (response, first) = answers::answer(&interview, owner, &slug, answer).await?;
    let status = if first { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, etag(&response), Json(response)).into_response())
}

/// Delete an answer; it can be restored
#[utoipa::path(delete, path = "/personas/{slug}/responses/{question_id}", tag = TAG, security(("token" = ["personas:write"])),
    params(("slug" = String, Path), ("question_id" = QuestionId, Path)), responses((status = 204)))]
pub(crate) async fn delete_response(
    State(interview): State<Arc<Interview>>,
    Caller(owner): Caller,
    Id((slug, question)): Id<(String, QuestionId)>,
) -> Result<StatusCode, ApiError> {
    set_deleted(&interview, owner, &slug, question, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Restore a deleted answer
#[utoipa::path(post, path = "/personas/{slug}/responses/{question_id}/restore", tag = TAG, security(("token" = ["personas:write"])),
    params(("slug" = String, Path), ("question_id" = QuestionId, Path)), responses((status = 200, body = Response)))]
pub(crate) async fn restore_response(
    State(interview): State<Arc<Interview>>,
    Caller(owner): Caller,
    Id((slug, question)): Id<(String, QuestionId)>,
) -> Result<HttpResponse, ApiError> {
    let response = set_deleted(&interview, owner, &slug, question, false).await?;
    Ok((etag(&response), Json(response)).into_response())
}

async fn set_deleted(
    interview: &Interview,
    owner: UserId,
    slug: &str,
    question: QuestionId,
    deleted: bool,
) -> Result<Response, ApiError> {
    if !is_slug(slug) {
        return Err(NO_PERSONA);
    }
    answers::set_deleted(interview, owner, slug, question, deleted).await
}

fn etag(response: &Response) -> [(header::HeaderName, String); 1] {
    [(header::ETAG, format!("\"{}\"", response.version))]
}

/// The version in `If-Match`, if any.
pub(crate) struct IfMatch(Option<i32>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        let tag = value.to_str().ok().and_then(|tag| tag.trim().strip_prefix('"')?.strip_suffix('"')?.parse().ok());
        let wrong = || ApiError::field("If-Match", "must be one ETag of a response, such as \"3\"");
        Ok(Self(Some(tag.ok_or_else(wrong)?)))
    }
}
