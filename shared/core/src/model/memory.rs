//! What a persona remembers of a user.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::ids::{MemoryId, RequestId};

/// The longest fact, in characters.
pub const MAX_FACT_CHARS: usize = 500;
/// The most that a persona remembers of a user; the oldest go.
pub const MAX_MEMORIES: i64 = 100;

/// Something that a user told a persona of themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Memory {
    pub id: MemoryId,
    #[schema(example = "I am allergic to nuts")]
    pub fact: String,
    /// Whose message told it; null where it was written down by the user.
    pub request_id: Option<RequestId>,
    pub created_at: DateTime<Utc>,
}
