//! Import and export of responses.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{FromRequest, Request, State},
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Deserialize;
use troupe_core::model::audit::On;
use utoipa::IntoParams;

use super::TAG;
use crate::{
    audit::note,
    auth::{actor::Actor, caller::Caller},
    http::{
        error::ApiError,
        extract::{
            idempotency::{IdempotencyKey, REPLAYED},
            paging::Params,
            path::Id,
            read_body::{receive, server_config},
        },
        idempotent::{Created, Key, create_idempotent},
    },
    interview::{
        Interview,
        import_export::{
            Format, RawRow,
            export::export,
            import::{Mode, Report, import},
        },
    },
    personas::own::own_persona,
};

/// The format of an import, and what happens when rows of it are invalid.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct How {
    /// By default that of the `Content-Type`.
    #[param(inline)]
    format: Option<Format>,
    #[serde(default)]
    #[param(inline)]
    mode: Mode,
}

/// The bytes of an import.
pub(crate) struct Import(Bytes);

impl<S: Send + Sync> FromRequest<S> for Import {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let config = server_config(request.extensions())?;
        receive(request.into_body(), config.max_import, config.upload_timeout).await.map(Self)
    }
}

/// Import responses
///
/// JSON (an array), JSON Lines or CSV (with a header), up to 5,000 rows. A row names its question by id or by text (up
/// to case, spaces and the final punctuation mark); an unknown text becomes a question of one's own. Equal answers are
/// unchanged. `all_or_nothing` stores nothing if one row is invalid; `row_by_row` stores the others.
#[utoipa::path(post, path = "/personas/{slug}/responses/import", tag = TAG, security(("token" = ["personas:write"])), params(("slug" = String, Path), How),
    request_body(content((Vec<RawRow> = "application/json"), (String = "application/jsonl"), (String = "text/csv"))),
    responses((status = 200, body = Report), (status = 409, description = "there would be too many questions of one's own"),
        (status = 415, description = "neither `format` nor `Content-Type` names a format"),
        (status = 422, description = "rows are wrong; `errors` names rows and columns")))]
#[expect(clippy::too_many_arguments, reason = "each is a part of the call")]
pub(crate) async fn import_responses(
    State(interview): State<Arc<Interview>>,
    Caller(owner): Caller,
    Actor(by): Actor,
    Id(slug): Id<String>,
    Params(how): Params<How>,
    IdempotencyKey(key): IdempotencyKey,
    headers: axum::http::HeaderMap,
    Import(bytes): Import,
) -> Result<Response, ApiError> {
    own_persona(&interview.pool, owner, &slug).await?;
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = how.format.or_else(|| Format::of_content_type(content_type)).ok_or_else(ApiError::not_json)?;
    let what = format!("import {slug} {} {:?}", format.name(), how.mode);
    let key = key.map(|key| Key::new(key, &[what.as_bytes(), &bytes]));
    let done = create_idempotent(&interview.pool, owner, key, |db| {
        Box::pin(async move { import(db, &by, owner, &slug, (format, how.mode), &bytes).await })
    });
    Ok(match done.await? {
        Created::New(report) => Json(report).into_response(),
        Created::Replayed(report) => ([REPLAYED], Json(report)).into_response(),
    })
}

/// The format of an export.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Written {
    /// `json` by default.
    #[serde(default = "json")]
    #[param(inline)]
    format: Format,
}

fn json() -> Format {
    Format::Json
}

/// Export all responses, in the format of imports
#[utoipa::path(get, path = "/personas/{slug}/responses/export", tag = TAG, security(("token" = ["personas:read"])), params(("slug" = String, Path), Written),
    responses((status = 200, content((Vec<RawRow> = "application/json"), (String = "application/jsonl"), (String = "text/csv")))))]
pub(crate) async fn export_responses(
    State(interview): State<Arc<Interview>>,
    Caller(owner): Caller,
    Actor(by): Actor,
    Id(slug): Id<String>,
    Params(Written { format }): Params<Written>,
) -> Result<Response, ApiError> {
    let persona = own_persona(&interview.pool, owner, &slug).await?;
    note(&interview.pool, &by.does("answers.exported").on(On::thing("persona", persona).of(owner))).await?;
    let disposition = format!("attachment; filename=\"{slug}-responses.{}\"", format.name());
    let headers = [
        (header::CONTENT_TYPE, format.content_type().to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(export(interview.pool.clone(), persona, format))).into_response())
}
