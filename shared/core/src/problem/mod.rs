//! The problem object (RFC 9457): one shape for every error, over HTTP, in events and in a polled request.
//!
//! The fixed properties of a kind of problem (status, title, type, whether a retry may help) come from the table of
//! [`ProblemCode`]; the fields are private, so that no problem has another code. A stored problem keeps its values: its
//! code may be of another release.

mod codes;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use codes::ProblemCode;

/// A problem, for programs (`code`, `retryable`) and for people (`title`, `detail`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A page about this kind of problem, relative to the server.
    #[serde(rename = "type")]
    #[schema(example = "/docs/problems#not_found")]
    kind: String,
    #[schema(example = "not found")]
    title: String,
    #[schema(example = 404)]
    status: u16,
    pub detail: String,
    /// Stable, for programs.
    #[schema(example = "not_found")]
    code: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// The correlation id of the call, as in `X-Request-Id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The fields at fault, where they are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    #[schema(example = "content")]
    pub field: String,
    #[schema(example = "must not be empty")]
    pub message: String,
}

impl Problem {
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/docs/problems#{code}"),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code: code.name().to_owned(),
            retryable: code.retryable(),
            request_id: None,
            errors: Vec::new(),
        }
    }

    /// Overrides `retryable`, where the circumstances decide and not the code.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.retryable = retryable;
        self
    }

    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// The page about this kind of problem, relative to the server.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The name of its [`ProblemCode`], or of a code of another release.
    pub fn code(&self) -> &str {
        &self.code
    }

    pub const fn status(&self) -> u16 {
        self.status
    }
}

#[cfg(test)]
mod tests;
