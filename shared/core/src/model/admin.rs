//! What admins see. No content of users: texts are given by length.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Usage, providers::Try};
use crate::{
    ids::{ConversationId, JobId, RequestId, UserId},
    problem::Problem,
};

/// A request that failed for good, kept until an admin retries or discards it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeadLetter {
    pub id: RequestId,
    pub conversation_id: ConversationId,
    pub user_id: UserId,
    #[schema(example = "free")]
    pub tier: String,
    /// The slug of the persona that should have replied.
    #[schema(example = "demo")]
    pub persona: String,
    /// The length of the question, in characters.
    pub question_length: i32,
    pub attempts: i32,
    /// The user's error.
    pub error: Problem,
    /// The cause of the last attempt's failure.
    pub cause: Option<String>,
    pub correlation_id: String,
    pub created_at: DateTime<Utc>,
    pub failed_at: DateTime<Utc>,
    /// The dead letter that this one retried.
    pub redrive_of: Option<RequestId>,
    /// When it was retried or discarded.
    pub settled_at: Option<DateTime<Utc>>,
    /// The request that retries it.
    pub redriven_as: Option<RequestId>,
    pub estimate: Tokens,
}

/// The estimated tokens of a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
// Other permissions come with a sign-in.
#[schema(as = EstimatedTokens)]
pub struct Tokens {
    pub prompt_tokens: i64,
    pub completion_tokens: i64,
}

impl std::ops::AddAssign for Tokens {
    fn add_assign(&mut self, more: Self) {
        self.prompt_tokens += more.prompt_tokens;
        self.completion_tokens += more.completion_tokens;
    }
}

/// A finished attempt at a request.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Attempt {
    pub number: i32,
    pub worker: String,
    pub started_at: DateTime<Utc>,
    pub finished_at: DateTime<Utc>,
    #[schema(example = "retried")]
    pub outcome: String,
    pub cause: Option<String>,
    pub usage: Option<Usage>,
    pub provider: Option<String>,
    pub model: Option<String>,
    /// The calls of providers, in their order.
    pub tries: Vec<Try>,
}

/// The limits of a tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Tier {
    #[schema(example = "free")]
    pub name: String,
    /// How many of its jobs are started per job of a tier with weight 1, while both have a backlog.
    pub queue_weight: i32,
    /// The providers of replies, in this order, unless the persona has a chain; null means the configured default.
    #[schema(example = json!(["anthropic", "openai/gpt-4.1-mini"]))]
    pub chain: Option<Vec<String>>,
    /// The allowed providers, or single models of them; null allows all. Other links of a chain are skipped.
    #[schema(example = json!(["openai/gpt-4.1-mini", "offline"]))]
    pub models: Option<Vec<String>>,
    /// Calls per user.
    pub calls_per_minute: i32,
    /// Messages per user; they count as calls too.
    pub chat_per_minute: i32,
}

/// A running reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Running {
    pub request_id: RequestId,
    pub user_id: UserId,
    pub tier: String,
    pub persona: String,
    pub attempt: i32,
    pub started_at: DateTime<Utc>,
    /// The expiry of the worker's lease.
    pub lease_until: DateTime<Utc>,
    /// The lag from dispatch to the start of this attempt.
    #[schema(example = 3)]
    pub dispatch_lag_ms: Option<i64>,
    #[serde(skip)]
    pub worker: String,
}

/// The wanted state of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum WorkerState {
    Active,
    /// It claims nothing more, and finishes what runs.
    Paused,
    /// The same, and then it exits; what still runs after the drain time is handed back.
    Draining,
}

/// What a process is. `troupe` is both, in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum ProcessKind {
    Server,
    Worker,
}

/// A running job other than a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RunningJob {
    pub id: JobId,
    #[schema(example = "export")]
    pub kind: String,
    pub attempt: i32,
    pub started_at: Option<DateTime<Utc>>,
    pub lease_until: Option<DateTime<Utc>>,
    #[serde(skip)]
    pub worker: Option<String>,
}

/// A worker and what it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Worker {
    pub name: String,
    pub version: String,
    pub state: WorkerState,
    /// Why it is not as it was started, if an admin has changed it.
    pub reason: Option<String>,
    /// The number of concurrent replies.
    pub slots: i32,
    /// The kinds of jobs, beside replies, that it runs.
    #[schema(example = json!(["deletion", "export", "index"]))]
    pub kinds: Vec<String>,
    pub started_at: DateTime<Utc>,
    pub seen_at: DateTime<Utc>,
    /// Whether its last heartbeat is recent enough.
    pub alive: bool,
    pub running: Vec<Running>,
    pub running_jobs: Vec<RunningJob>,
}
