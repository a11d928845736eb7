//! What users think of replies.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::RequestId;

/// The longest note, in characters.
pub const MAX_NOTE_CHARS: usize = 2_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Rating {
    Up,
    Down,
}

/// What a user thinks of a reply: the last word on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Feedback {
    pub request_id: RequestId,
    pub rating: Rating,
    pub note: Option<String>,
    /// Whether the persona's owner may have the question and the reply, for training.
    pub share: bool,
    pub rated_at: DateTime<Utc>,
}

/// How a persona's replies were rated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct Ratings {
    pub up: i64,
    pub down: i64,
}
