//! Exports of a user's data and deletions of accounts: jobs of workers.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::AccountJobId;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum AccountJobKind {
    /// All data of a user, as a file.
    Export,
    /// The deletion of all data of a user.
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

/// An export or a deletion, and its progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AccountJob {
    pub id: AccountJobId,
    pub kind: AccountJobKind,
    pub status: AccountJobStatus,
    /// The current step.
    #[schema(example = "conversations")]
    pub step: Option<String>,
    pub steps_done: i32,
    pub steps: i32,
    /// Items written to the file, or deleted.
    pub items: i64,
    pub created_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    /// The expiry of the file and of this entry.
    pub expires_at: Option<DateTime<Utc>>,
}
