//! Ratings of replies by users.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::RequestId;

/// The maximum length of a note, in characters.
pub const MAX_NOTE_CHARS: usize = 2_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Rating {
    Up,
    Down,
}

/// A user's current rating of a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Feedback {
    pub request_id: RequestId,
    pub rating: Rating,
    pub note: Option<String>,
    /// Whether the persona's owner may use the question and the reply for training.
    pub share: bool,
    pub rated_at: DateTime<Utc>,
}

/// The counts of a persona's ratings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct Ratings {
    pub up: i64,
    pub down: i64,
}
