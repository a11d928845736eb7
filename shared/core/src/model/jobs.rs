//! Leased work as admins see it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::ids::{JobId, UserId};

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum JobStatus {
    /// A worker takes it when it is due.
    Waiting,
    Running,
    Done,
    /// A dead letter: it failed for good, and waits for an admin.
    Failed,
    /// A dead letter that an admin has given up.
    Discarded,
}

/// One piece of leased work. Its payload is not shown: it may name people.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Job {
    pub id: JobId,
    #[schema(example = "export")]
    pub kind: String,
    pub status: JobStatus,
    /// Whose it is; null where it is nobody's, or the account is gone.
    pub user_id: Option<UserId>,
    /// How often a worker took it, or somebody asked for it again.
    pub attempt: i32,
    /// Attempts that ended with an error, since somebody asked for it.
    pub failures: i32,
    /// Attempts whose worker fell silent.
    pub lapses: i32,
    /// Who has it, or had it last.
    pub worker: Option<String>,
    /// How far it is; its form is that of the kind.
    #[schema(value_type = Option<Object>)]
    pub progress: Option<Value>,
    #[schema(value_type = Option<Object>)]
    pub result: Option<Value>,
    /// Why the last attempt ended without success.
    pub error: Option<String>,
    /// What it has cost, in the currency of the prices.
    pub cost: f64,
    pub created_at: DateTime<Utc>,
    pub due_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    /// Of a running one: when it goes to another worker, unless this one renews its lease.
    pub lease_until: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    /// When it is removed.
    pub expires_at: Option<DateTime<Utc>>,
}

/// How the jobs of a kind stand; at most 10,000 of each are counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct JobKind {
    #[schema(example = "export")]
    pub kind: String,
    pub waiting: i64,
    pub running: i64,
    /// Those that wait to be settled.
    pub dead_letters: i64,
    /// Since when the next one could have been taken; null where none is due.
    pub due_since: Option<DateTime<Utc>>,
}
