//! A persona's memories of a user.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::ids::{MemoryId, RequestId};

/// The maximum length of a fact, in characters.
pub const MAX_FACT_CHARS: usize = 500;
/// The maximum per persona and user; the oldest are removed.
pub const MAX_MEMORIES: i64 = 100;

/// A fact that a user has stated about themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Memory {
    pub id: MemoryId,
    #[schema(example = "I am allergic to nuts")]
    pub fact: String,
    /// The message that stated it; null where the user added it.
    pub request_id: Option<RequestId>,
    pub created_at: DateTime<Utc>,
}
