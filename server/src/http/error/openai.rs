//! Errors as programs that speak to OpenAI expect them, on the addresses below `/v1`.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use troupe_core::problem::{Problem, ProblemCode};
use utoipa::ToSchema;

/// OpenAI's SDKs do as it says; without it they try again after 408, 409, 429 and 5xx.
const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// What does not pass in the seconds for which an SDK tries; or may have been done, so that it would be done twice.
const NOT_AT_ONCE: [ProblemCode; 2] = [ProblemCode::BudgetExhausted, ProblemCode::TimedOut];

pub(crate) fn applies(path: &str) -> bool {
    path.starts_with("/v1/")
}

/// An error of `/v1`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OpenAiError<'a> {
    #[schema(inline)]
    error: Fault<'a>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Fault<'a> {
    message: &'a str,
    /// `invalid_request`, `not_found`, `too_many_requests`, `model_error` or `server_error`.
    #[schema(example = "invalid_request")]
    r#type: &'static str,
    /// The field at fault, where it is known.
    #[schema(example = "messages")]
    param: Option<&'a str>,
    /// As everywhere: see /docs/problems.
    #[schema(example = "invalid")]
    code: &'a str,
}

impl<'a> From<&'a Problem> for OpenAiError<'a> {
    fn from(problem: &'a Problem) -> Self {
        Self { error: problem.into() }
    }
}

impl<'a> From<&'a Problem> for Fault<'a> {
    fn from(problem: &'a Problem) -> Self {
        let r#type = match problem.status() {
            404 => "not_found",
            429 => "too_many_requests",
            502 => "model_error",
            500.. => "server_error",
            _ => "invalid_request",
        };
        let param = problem.errors.first().map(|error| error.field.as_str());
        Self { message: &problem.detail, r#type, param, code: problem.code() }
    }
}

/// The same response with the problem in OpenAI's shape. There an invalid field is a bad request.
pub(crate) fn with_error(response: Response, problem: &Problem) -> Response {
    let Ok(json) = serde_json::to_vec(&OpenAiError::from(problem)) else {
        return response.status().into_response();
    };
    let (mut parts, _) = response.into_parts();
    if parts.status == StatusCode::UNPROCESSABLE_ENTITY {
        parts.status = StatusCode::BAD_REQUEST;
    }
    let retry = problem.retryable && NOT_AT_ONCE.iter().all(|code| code.name() != problem.code());
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts.headers.insert(X_SHOULD_RETRY, HeaderValue::from_static(if retry { "true" } else { "false" }));
    Response::from_parts(parts, Body::from(json))
}
