//! Errors of calls by HTTP meaning, and their response: problem+json with a stable code.
//!
//! Status, title and code of a problem come from the table of [`ProblemCode`]. The response carries the [`Problem`] as
//! an extension; [`super::middleware`] adds the correlation id and writes the body, so that every error looks the same
//! wherever it arose.

mod constructors;
pub(crate) mod openai;

use std::fmt;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use troupe_core::{
    ports::PortError,
    problem::{FieldError, Problem},
};

pub(crate) use troupe_core::problem::ProblemCode;

/// `Retry-After` of an overloaded or failing service.
const RETRY_AFTER_SECONDS: u64 = 2;

#[derive(Debug)]
pub(crate) enum ApiError {
    /// The request itself is malformed: 400, 405, 408, 413, 414, 415.
    BadRequest { code: ProblemCode, detail: String },
    /// 422: these fields are invalid.
    Invalid(Vec<FieldError>),
    /// 422, with a code of its own.
    Unprocessable { code: ProblemCode, detail: String, errors: Vec<FieldError> },
    /// 401: the credentials are missing or invalid.
    Unauthenticated(&'static str),
    /// 403: the caller is authenticated, and not authorized.
    Forbidden { code: ProblemCode, detail: String },
    /// 404: it does not exist, or is not the caller's; the response is the same.
    NotFound(&'static str),
    /// 409 and 412: the current state forbids it.
    Conflict { code: ProblemCode, detail: String },
    /// 429: the caller has too much in progress, or calls too often. `retry_after` is in seconds.
    TooManyRequests { code: ProblemCode, detail: String, retry_after: u64 },
    /// 503: the service or a dependency cannot serve the call now. The cause is for the log.
    Unavailable { code: ProblemCode, detail: &'static str, cause: Option<String> },
    /// 500: a fault of the server. The cause is for the log.
    Internal(String),
}

impl ApiError {
    pub(crate) const fn code(&self) -> ProblemCode {
        match self {
            Self::BadRequest { code, .. }
            | Self::Unprocessable { code, .. }
            | Self::Forbidden { code, .. }
            | Self::Conflict { code, .. }
            | Self::TooManyRequests { code, .. }
            | Self::Unavailable { code, .. } => *code,
            Self::Invalid(_) => ProblemCode::Invalid,
            Self::Unauthenticated(_) => ProblemCode::Unauthenticated,
            Self::NotFound(_) => ProblemCode::NotFound,
            Self::Internal(_) => ProblemCode::Internal,
        }
    }

    /// The public description, never the cause of an internal error.
    pub(crate) fn problem(&self) -> Problem {
        let detail = match self {
            Self::BadRequest { detail, .. }
            | Self::Unprocessable { detail, .. }
            | Self::Forbidden { detail, .. }
            | Self::Conflict { detail, .. }
            | Self::TooManyRequests { detail, .. } => detail.clone(),
            Self::Invalid(errors) => {
                let all: Vec<_> = errors.iter().map(|e| format!("{}: {}", e.field, e.message)).collect();
                all.join("; ")
            }
            Self::NotFound(what) => format!("there is no such {what}"),
            Self::Unauthenticated(detail) | Self::Unavailable { detail, .. } => (*detail).to_owned(),
            Self::Internal(_) => "something went wrong here; it has been logged".to_owned(),
        };
        let problem = Problem::new(self.code(), detail);
        match self {
            Self::Invalid(errors) | Self::Unprocessable { errors, .. } => problem.with_errors(errors.clone()),
            _ => problem,
        }
    }

    /// Logs the cause that the caller is not shown. Called once, where an error becomes a response.
    pub(crate) fn log_cause(&self) {
        match self {
            Self::Internal(cause) => tracing::error!(cause, "a call failed"),
            Self::Unavailable { cause: Some(cause), .. } => tracing::warn!(cause, "a call was turned away"),
            _ => {}
        }
    }

    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooManyRequests { retry_after, .. } => Some(*retry_after),
            Self::Unavailable { code, .. } => code.retryable().then_some(RETRY_AFTER_SECONDS),
            _ => None,
        }
    }
}

/// For logs and operators: the cause, where there is one.
impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internal(cause) | Self::Unavailable { cause: Some(cause), .. } => f.write_str(cause),
            _ => f.write_str(&self.problem().detail),
        }
    }
}

impl std::error::Error for ApiError {}

/// The response to a call that was accepted and came to nothing: the same call made again would be accepted again.
pub(crate) fn failed_after_acceptance(problem: Problem) -> Response {
    problem_response(problem.with_retryable(false))
}

fn problem_response(problem: Problem) -> Response {
    let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = status.into_response();
    response.extensions_mut().insert(problem);
    response
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log_cause();
        let status = StatusCode::from_u16(self.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        let headers = response.headers_mut();
        match self.code() {
            ProblemCode::Unauthenticated => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            // The rest of the body is not read, so the connection cannot be reused.
            ProblemCode::BodyTooLarge | ProblemCode::BodyTooSlow => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(self.problem());
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
                Self::unavailable(error.to_string())
            }
            // 40P01: two transactions waited for each other, and this one had to give way. 57P0x: the server is
            // shutting down or starting; 53xxx: it is out of something; 08xxx: the connection broke; 28xxx: it does not
            // know us, which is so for a moment while a password is changed.
            E::Database(database)
                if database.code().is_some_and(|code| {
                    code == "40P01" || ["57P0", "53", "08", "28"].iter().any(|class| code.starts_with(class))
                }) =>
            {
                Self::unavailable(error.to_string())
            }
            _ => Self::Internal(error.to_string()),
        }
    }
}

impl From<PortError> for ApiError {
    fn from(error: PortError) -> Self {
        Self::unavailable(error.to_string())
    }
}

#[cfg(test)]
mod tests;
