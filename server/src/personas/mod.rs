//! Personas: their settings and the provider chains that reply for them.

pub(crate) mod chains;
mod change;
mod create;
pub(crate) mod routes;
pub(crate) mod settings;

use crate::http::error::ApiError;

/// An admin has hidden the persona. It gives no replies, not to its owner either, who finds the reason in the persona.
pub(crate) fn hidden() -> ApiError {
    ApiError::Conflict { code: "persona_hidden", detail: "this persona is hidden, and answers nobody".to_owned() }
}
