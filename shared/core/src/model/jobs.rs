//! Leased work, as shown to admins.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::ids::{JobId, UserId};

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum JobStatus {
    /// Claimed when it is due.
    Waiting,
    Running,
    Done,
    /// A dead letter: it failed for good and is kept for an admin.
    Failed,
    /// A dead letter that an admin has discarded.
    Discarded,
}

/// A job of leased work. Its payload is not shown: it may name people.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Job {
    pub id: JobId,
    #[schema(example = "export")]
    pub kind: String,
    pub status: JobStatus,
    /// The job's user; null where it has none, or the account is deleted.
    pub user_id: Option<UserId>,
    /// How often it was claimed, or requested again.
    pub attempt: i32,
    /// Attempts that ended with an error, since it was requested.
    pub failures: i32,
    /// Attempts that ended with an expired lease.
    pub lapses: i32,
    /// The current or last worker.
    pub worker: Option<String>,
    /// Its progress, in the format of the kind.
    #[schema(value_type = Option<Object>)]
    pub progress: Option<Value>,
    #[schema(value_type = Option<Object>)]
    pub result: Option<Value>,
    /// The error of the last failed attempt.
    pub error: Option<String>,
    /// Its cost, in the currency of the prices.
    pub cost: f64,
    pub created_at: DateTime<Utc>,
    pub due_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    /// Of a running job: the expiry of its lease, unless that is renewed.
    pub lease_until: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    /// The time of its removal.
    pub expires_at: Option<DateTime<Utc>>,
}

/// The counts of a kind by state; at most 10,000 of each are counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct JobKind {
    #[schema(example = "export")]
    pub kind: String,
    pub waiting: i64,
    pub running: i64,
    /// Unresolved ones.
    pub dead_letters: i64,
    /// When the next one became due; null where none is due.
    pub due_since: Option<DateTime<Utc>>,
}
