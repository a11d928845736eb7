//! Messages in other languages.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::Role;

/// A message in another language. The original stays what prompts and exports have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MessageTranslation {
    /// Whose message it is: the question, or the reply.
    pub role: Role,
    /// A tag of BCP 47.
    #[schema(example = "uk")]
    pub language: String,
    pub text: String,
    /// Who translated it.
    #[schema(example = "openai/gpt-4.1-mini")]
    pub provider: String,
    pub created_at: DateTime<Utc>,
}
