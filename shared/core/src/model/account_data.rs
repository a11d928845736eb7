//! What a person takes away of theirs, and what is deleted with an account: jobs that workers do.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::AccountJobId;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum AccountJobKind {
    /// All that is somebody's, as a file.
    Export,
    /// The end of all that is somebody's.
    Deletion,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum AccountJobStatus {
    Waiting,
    Running,
    Done,
    Failed,
}

/// An export or a deletion, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AccountJob {
    pub id: AccountJobId,
    pub kind: AccountJobKind,
    pub status: AccountJobStatus,
    /// What it is at.
    #[schema(example = "conversations")]
    pub step: Option<String>,
    pub steps_done: i32,
    pub steps: i32,
    /// How many things it has written to the file, or deleted.
    pub items: i64,
    pub created_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    /// Until when the file is there, and this is known.
    pub expires_at: Option<DateTime<Utc>>,
}
