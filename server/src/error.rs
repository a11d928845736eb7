//! What a call can fail with, and how it is told: problem+json with a stable code.
//!
//! The response carries the [`Problem`] as an extension; [`crate::gate`] adds the correlation id and writes the body,
//! so that every error looks the same wherever it arose.

use std::time::Duration;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use troupe_shared::{
    ports::PortError,
    problem::{FieldError, Problem},
};

use crate::auth::permissions::Permission;

#[derive(Debug)]
pub(crate) enum ApiError {
    /// The body is not JSON.
    MalformedJson(String),
    /// What was sent is understood, and wrong in these fields.
    Invalid(Vec<FieldError>),
    /// A message that is longer than allowed.
    ContentTooLong {
        limit: usize,
    },
    BodyTooLarge {
        limit: usize,
    },
    /// The body did not come in the time that it has.
    BodyTooSlow,
    /// The body is compressed: it could be any size.
    PackedBody,
    UrlTooLong {
        limit: usize,
    },
    UnsupportedMediaType,
    /// What was uploaded is none of the kinds that can be read.
    NoDocument(String),
    /// What was to be fetched from an address is not to be had.
    NotFetched(String),
    Unauthenticated(&'static str),
    /// The caller is known, and may not do this.
    Forbidden {
        code: &'static str,
        detail: String,
    },
    /// There is no such thing, or it is not the caller's: the answer is the same.
    NotFound(&'static str),
    MethodNotAllowed,
    Conflict {
        code: &'static str,
        detail: String,
    },
    /// What was to be changed is not as the caller knew it.
    Outdated {
        detail: String,
    },
    /// Rows of an import are wrong, so nothing of it was stored.
    ImportRefused {
        detail: String,
        errors: Vec<FieldError>,
    },
    /// The key was used for something else.
    KeyReused,
    /// The caller has too much under way.
    TooMany {
        detail: String,
    },
    /// The caller has called too often.
    RateLimited {
        limit: &'static str,
        calls: u32,
        window: Duration,
        /// In seconds.
        retry_after: u64,
    },
    /// The service has too much under way.
    Overloaded,
    /// Nobody is set up who could bring a letter.
    MailNotConfigured,
    /// It took longer than a call may.
    TimedOut,
    /// A part that is needed does not answer.
    Unavailable(String),
    /// Our fault; what it was goes to the log, not to the caller.
    Internal(String),
}

/// Every code that this server answers with, and what to do about it; shown at `/docs/problems`.
pub(crate) const CODES: &[(&str, &str)] = &[
    ("malformed_json", "The body could not be read as JSON. Mend the body."),
    ("invalid", "One or more fields are wrong; `errors` names each. Mend them."),
    ("content_too_long", "The message is longer than this server takes. Shorten it."),
    ("body_too_large", "The body is larger than this server reads. Send less."),
    ("body_too_slow", "The body did not come in the time that it has. Send it faster, or less of it."),
    ("url_too_long", "The address is longer than this server reads. Shorten it."),
    (
        "unsupported_media_type",
        "The body must be `application/json`, or, where a document is uploaded, one that can be read: `detail` says which. \
         No body may be compressed.",
    ),
    (
        "not_fetched",
        "Nothing could be fetched from the address; `detail` says why, as far as you may know. Look at it yourself.",
    ),
    ("unauthenticated", "The credentials are missing, wrong or expired. Sign in again."),
    ("forbidden", "This is for admins. Ask one."),
    ("cross_site", "The page of another site made the browser call. Programs use an access token or an API key."),
    ("signature_required", "With an API key this counts only when the call is signed: see API.md."),
    (
        "out_of_scope",
        "The key was not made for this; `detail` names the permission that it lacks. Make one that has it.",
    ),
    ("not_found", "There is no such thing, or it is not yours."),
    ("method_not_allowed", "This address exists, and does not do that."),
    ("too_many_keys", "You have as many API keys as you may have. Delete one that is not used."),
    ("service_exists", "There is a service with this name already."),
    ("email_taken", "There is an account with this e-mail address already."),
    ("last_admin", "There would be no admin any more. Make somebody else one first."),
    ("tier_taken", "There is a tier with this name already."),
    (
        "tier_in_use",
        "There are users of the tier, or replies to them that are not final. Move the users to another tier, and wait.",
    ),
    ("already_settled", "The dead letter was tried again or discarded before. There is nothing left to do."),
    ("slug_taken", "There is a persona with this slug already."),
    ("question_exists", "This question is in the bank, or among your own, already. Answer that one."),
    ("question_in_use", "The question is answered, be it in an answer that was deleted, and so cannot be deleted."),
    (
        "too_many_questions",
        "You have as many questions of your own as you may have. Delete some that are not answered.",
    ),
    ("outdated", "What you change has changed since you read it (`If-Match`). Read it again."),
    (
        "import_refused",
        "Rows of the import are wrong and nothing was stored; `errors` names rows and columns. Mend them, or import row by row.",
    ),
    (
        "document_not_ready",
        "The document has no text: it is still to be read, or could not be. Its `status` and `reason` say which.",
    ),
    ("export_under_way", "A file of your data is being made already. Look at that one, or wait for its end."),
    ("export_not_ready", "The export has no file: it is still being made, or has failed. Its `status` says which."),
    ("conversation_busy", "An earlier message of the conversation waits for its reply, and `if_busy` was `reject`."),
    ("remembers_nothing", "The persona is set to remember nothing of its users. Only its owner can change that."),
    ("not_completed", "There is no whole reply to be rated. Wait until the request is completed."),
    ("idempotency_key_reused", "The `Idempotency-Key` was used for something else. Take a new key for a new thing."),
    ("too_many_requests", "Too much of yours is under way already. Try again after `Retry-After`."),
    (
        "rate_limited",
        "You call more often than you may; `RateLimit-Policy` says how often that is. Try again after `Retry-After`.",
    ),
    (
        "timed_out",
        "The call took longer than it may, and it is not known what of it was done. Make it again, with the same `Idempotency-Key`.",
    ),
    ("overloaded", "The service has as much to do as it can take. Try again after `Retry-After`."),
    ("mail_not_configured", "This service is not set up to send mail. Ask whoever runs it for a link."),
    ("unavailable", "A part of the service does not answer. Try again after `Retry-After`."),
    ("internal", "A fault of the server; it has been logged under `request_id`."),
    (
        "budget_exhausted",
        "A budget has not enough left for a reply today; `detail` says which, and when it renews. Send the message again then.",
    ),
    ("no_model_allowed", "Your tier allows none of the models that could answer. Ask an admin."),
    ("not_storable", "The reply was there and could not be stored. Operators are told."),
    ("provider_failed", "The model service did not give a reply, after all attempts. Send the message again later."),
];

impl ApiError {
    pub(crate) fn field(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError { field: field.to_owned(), message: message.into() }])
    }

    pub(crate) fn admins_only() -> Self {
        Self::Forbidden { code: "forbidden", detail: "this is for admins".to_owned() }
    }

    /// The caller may, but not with the key that was shown.
    pub(crate) fn out_of_scope(lacking: Permission) -> Self {
        let detail = format!("this needs the permission {lacking}, which the key does not have");
        Self::Forbidden { code: "out_of_scope", detail }
    }

    /// The key may, but for signed calls only.
    pub(crate) fn signature_required() -> Self {
        let detail = "with an API key this needs a call that is signed";
        Self::Forbidden { code: "signature_required", detail: detail.to_owned() }
    }

    /// Another site's page made the browser call.
    pub(crate) fn cross_site() -> Self {
        let detail = "a session counts for calls of this service's own pages only";
        Self::Forbidden { code: "cross_site", detail: detail.to_owned() }
    }

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

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match &self {
            Self::Internal(cause) => tracing::error!(cause, "a call failed"),
            Self::Unavailable(cause) => tracing::warn!(cause, "a call was turned away"),
            Self::TimedOut => tracing::warn!("a call took too long"),
            _ => {}
        }
        let problem = self.problem();
        let mut response =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
        match self {
            Self::Unauthenticated(_) => {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            // Nobody reads the rest, so nothing else can come on this connection.
            Self::BodyTooLarge { .. } | Self::BodyTooSlow => {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Self::RateLimited { retry_after, .. } => {
                response.headers_mut().insert(header::RETRY_AFTER, retry_after.into());
            }
            Self::Unavailable(_) | Self::TooMany { .. } | Self::Overloaded | Self::TimedOut => {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
            }
            _ => {}
        }
        response.extensions_mut().insert(problem);
        response
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&sqlx::Error> for ApiError {
    fn from(error: &sqlx::Error) -> Self {
        use sqlx::Error as E;
        match error {
            E::PoolTimedOut | E::PoolClosed | E::Io(_) | E::Tls(_) | E::Protocol(_) => {
                Self::Unavailable(error.to_string())
            }
            // 40P01: two transactions waited for each other, and this one had to give way.
            // 57P0x: the server is shutting down or starting; 53xxx: it is out of something; 08xxx: the connection broke.
            E::Database(database)
                if database.code().is_some_and(|c| {
                    c == "40P01" || c.starts_with("57P0") || c.starts_with("53") || c.starts_with("08")
                }) =>
            {
                Self::Unavailable(error.to_string())
            }
            _ => Self::Internal(error.to_string()),
        }
    }
}

impl From<PortError> for ApiError {
    fn from(error: PortError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained() {
        let errors = [
            ApiError::MalformedJson(String::new()),
            ApiError::field("name", "must not be empty"),
            ApiError::ContentTooLong { limit: 1 },
            ApiError::BodyTooLarge { limit: 1 },
            ApiError::UnsupportedMediaType,
            ApiError::BodyTooSlow,
            ApiError::PackedBody,
            ApiError::UrlTooLong { limit: 1 },
            ApiError::RateLimited { limit: "calls", calls: 1, window: Duration::from_secs(1), retry_after: 1 },
            ApiError::TimedOut,
            ApiError::NoDocument(String::new()),
            ApiError::NotFetched(String::new()),
            ApiError::Conflict { code: "document_not_ready", detail: String::new() },
            ApiError::Unauthenticated(""),
            ApiError::admins_only(),
            ApiError::cross_site(),
            ApiError::signature_required(),
            ApiError::out_of_scope(Permission::ChatRead),
            ApiError::NotFound("persona"),
            ApiError::MethodNotAllowed,
            ApiError::Conflict { code: "slug_taken", detail: String::new() },
            ApiError::Conflict { code: "too_many_keys", detail: String::new() },
            ApiError::Conflict { code: "service_exists", detail: String::new() },
            ApiError::Conflict { code: "already_settled", detail: String::new() },
            ApiError::Conflict { code: "export_under_way", detail: String::new() },
            ApiError::Conflict { code: "export_not_ready", detail: String::new() },
            ApiError::Conflict { code: "conversation_busy", detail: String::new() },
            ApiError::Conflict { code: "remembers_nothing", detail: String::new() },
            ApiError::Conflict { code: "not_completed", detail: String::new() },
            ApiError::Conflict { code: "question_exists", detail: String::new() },
            ApiError::Conflict { code: "question_in_use", detail: String::new() },
            ApiError::Conflict { code: "too_many_questions", detail: String::new() },
            ApiError::Outdated { detail: String::new() },
            ApiError::ImportRefused { detail: String::new(), errors: Vec::new() },
            ApiError::KeyReused,
            ApiError::TooMany { detail: String::new() },
            ApiError::Overloaded,
            ApiError::MailNotConfigured,
            ApiError::Conflict { code: "last_admin", detail: String::new() },
            ApiError::Conflict { code: "tier_taken", detail: String::new() },
            ApiError::Conflict { code: "tier_in_use", detail: String::new() },
            ApiError::Unavailable(String::new()),
            ApiError::Internal(String::new()),
        ];
        for error in errors {
            let code = error.problem().code;
            assert!(CODES.iter().any(|(known, _)| *known == code), "{code} is not in the list of codes");
        }
    }

    #[test]
    fn what_went_wrong_inside_is_not_told() {
        assert!(
            !serde_json::to_string(&ApiError::Internal("password=x".to_owned()).problem())
                .unwrap()
                .contains("password")
        );
    }
}
