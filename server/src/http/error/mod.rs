//! What a call can fail with, and how it is told: problem+json with a stable code.
//!
//! The response carries the [`troupe_core::problem::Problem`] as an extension; [`super::middleware`] adds the correlation id and writes the body,
//! so that every error looks the same wherever it arose.

pub(crate) mod codes;
pub(crate) mod problem;

use std::time::Duration;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use troupe_core::{ports::PortError, problem::FieldError};

use crate::auth::permissions::Permission;

pub(crate) use codes::CODES;

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

    pub(crate) fn registration_closed() -> Self {
        Self::Forbidden { code: "registration_closed", detail: "nobody may open an account here".to_owned() }
    }

    pub(crate) fn invitation_required() -> Self {
        let detail = "an account is opened here with an invitation only".to_owned();
        Self::Forbidden { code: "invitation_required", detail }
    }

    /// One answer for all codes that do not count: which of them exist is not disclosed.
    pub(crate) fn invitation_invalid() -> Self {
        let detail = "the invitation is not valid, has expired, or was used".to_owned();
        Self::Forbidden { code: "invitation_invalid", detail }
    }

    /// Another site's page made the browser call.
    pub(crate) fn cross_site() -> Self {
        let detail = "a session counts for calls of this service's own pages only";
        Self::Forbidden { code: "cross_site", detail: detail.to_owned() }
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
            // 57P0x: the server is shutting down or starting; 53xxx: it is out of something; 08xxx: the connection broke; 28xxx: it
            // does not know us, which is so for a moment while a password is changed.
            E::Database(database)
                if database.code().is_some_and(|code| {
                    code == "40P01" || ["57P0", "53", "08", "28"].iter().any(|class| code.starts_with(class))
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
