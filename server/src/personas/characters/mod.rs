//! Characters of the community: personas that come as cards, are exported as cards, and have lorebooks.
//!
//! The card is kept as it came. Macros stay in the texts: workers replace them when they make a prompt.

mod export;
mod import;
mod lorebook;
pub(super) mod routes;

use troupe_characters::CardError;
use troupe_core::problem::FieldError;

use crate::http::error::ApiError;

/// The problem of a file that is no card, or no lorebook.
fn refused(error: &CardError) -> ApiError {
    let message = format!("the file {error}");
    match error {
        CardError::UnknownFormat => ApiError::unsupported_document(message),
        _ => ApiError::Invalid(vec![FieldError { field: "body".to_owned(), message }]),
    }
}

async fn off_the_path<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CardError> + Send + 'static,
) -> Result<T, ApiError> {
    super::off_the_path(work).await?.map_err(|error| refused(&error))
}
