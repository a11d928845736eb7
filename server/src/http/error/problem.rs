//! What a caller is told of each error: its status, its code, and words.

use axum::http::StatusCode;
use troupe_core::problem::{FieldError, Problem};

use super::ApiError;

impl ApiError {
    #[expect(clippy::too_many_lines, reason = "an arm for each kind of error, and nothing else")]
    pub(crate) fn problem(&self) -> Problem {
        let problem = |status: StatusCode, code: &str, title: &str, detail: String| {
            Problem::new(status.as_u16(), code, title, detail)
        };
        match self {
            Self::MalformedJson(why) => {
                problem(StatusCode::BAD_REQUEST, "malformed_json", "malformed JSON", why.clone())
            }
            Self::Invalid(errors) => {
                let all: Vec<_> = errors.iter().map(|e| format!("{}: {}", e.field, e.message)).collect();
                let mut invalid = problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "invalid input", all.join("; "));
                invalid.errors.clone_from(errors);
                invalid
            }
            Self::ContentTooLong { limit } => {
                let message = format!("must not be longer than {limit} bytes");
                let mut too_long = problem(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "content_too_long",
                    "message too long",
                    format!("content: {message}"),
                );
                too_long.errors.push(FieldError { field: "content".to_owned(), message });
                too_long
            }
            Self::BodyTooLarge { limit } => problem(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "body too large",
                format!("the body must not be larger than {limit} bytes"),
            ),
            Self::BodyTooSlow => problem(
                StatusCode::REQUEST_TIMEOUT,
                "body_too_slow",
                "body too slow",
                "the body did not come in the time that it has".to_owned(),
            )
            .retryable(true),
            Self::PackedBody => problem(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "unsupported media type",
                "the body must not be compressed (Content-Encoding)".to_owned(),
            ),
            Self::UrlTooLong { limit } => problem(
                StatusCode::URI_TOO_LONG,
                "url_too_long",
                "address too long",
                format!("the address must not be longer than {limit} bytes"),
            ),
            Self::UnsupportedMediaType => problem(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "unsupported media type",
                "the body must be application/json".to_owned(),
            ),
            Self::NoDocument(why) => problem(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "unsupported media type",
                why.clone(),
            ),
            Self::NotFetched(why) => {
                problem(StatusCode::UNPROCESSABLE_ENTITY, "not_fetched", "not fetched", why.clone())
            }
            Self::Unauthenticated(why) => {
                problem(StatusCode::UNAUTHORIZED, "unauthenticated", "not signed in", (*why).to_owned())
            }
            Self::Forbidden { code, detail } => problem(StatusCode::FORBIDDEN, code, "not allowed", detail.clone()),
            Self::NotFound(what) => {
                problem(StatusCode::NOT_FOUND, "not_found", "not found", format!("there is no such {what}"))
            }
            Self::MethodNotAllowed => problem(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "method not allowed",
                "this address does not take this method".to_owned(),
            ),
            Self::Conflict { code, detail } => problem(StatusCode::CONFLICT, code, "conflict", detail.clone()),
            Self::Outdated { detail } => {
                problem(StatusCode::PRECONDITION_FAILED, "outdated", "changed meanwhile", detail.clone())
            }
            Self::ImportRefused { detail, errors } => {
                let mut refused =
                    problem(StatusCode::UNPROCESSABLE_ENTITY, "import_refused", "import refused", detail.clone());
                refused.errors.clone_from(errors);
                refused
            }
            Self::KeyReused => problem(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "idempotency key reused",
                "this Idempotency-Key was used for something else".to_owned(),
            ),
            Self::TooMany { detail } => {
                problem(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "too many requests", detail.clone())
                    .retryable(true)
            }
            Self::RateLimited { limit, calls, window, retry_after } => problem(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limited",
                "called too often",
                format!(
                    "the limit \"{limit}\" is {calls} per {} seconds; it has room again in {retry_after} seconds",
                    window.as_secs_f32()
                ),
            )
            .retryable(true),
            Self::TimedOut => problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "timed_out",
                "timed out",
                "the call took longer than it may; it is not known what of it was done".to_owned(),
            )
            .retryable(true),
            Self::Overloaded => problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded",
                "overloaded",
                "there is more to do than this service can take; try again in a moment".to_owned(),
            )
            .retryable(true),
            Self::MailNotConfigured => problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "mail_not_configured",
                "mail is not set up",
                "this service is not set up to send mail: ask whoever runs it".to_owned(),
            ),
            Self::Unavailable(_) => problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "unavailable",
                "a part of the service does not answer; try again in a moment".to_owned(),
            )
            .retryable(true),
            Self::Internal(_) => problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "internal error",
                "something went wrong here; it has been logged".to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_inside_is_not_told() {
        assert!(
            !serde_json::to_string(&ApiError::Internal("password=x".to_owned()).problem())
                .unwrap()
                .contains("password")
        );
    }
}
