//! What admins see. None of it holds a word that was said: texts are told by their length.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Usage, providers::Try};
use crate::{
    ids::{ConversationId, JobId, RequestId, UserId},
    problem::Problem,
};

/// A request that failed for good, kept until an admin tries it again or discards it.
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
    /// How many characters were asked.
    pub question_length: i32,
    pub attempts: i32,
    /// What the user was told.
    pub error: Problem,
    /// What went wrong at the last attempt.
    pub cause: Option<String>,
    pub correlation_id: String,
    pub created_at: DateTime<Utc>,
    pub failed_at: DateTime<Utc>,
    /// The dead letter that this one tried again.
    pub redrive_of: Option<RequestId>,
    /// When it was tried again or discarded.
    pub settled_at: Option<DateTime<Utc>>,
    /// The request that tries it again.
    pub redriven_as: Option<RequestId>,
    pub estimate: Tokens,
}

/// What another try would cost, about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
// Others are what a sign-in gives.
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

/// One try of a worker at a request, when it was over.
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
    /// Who was asked, in this order.
    pub tries: Vec<Try>,
}

/// What a user is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Tier {
    #[schema(example = "free")]
    pub name: String,
    /// How many of its jobs begin for each one of a tier with weight 1, while both have a backlog.
    pub queue_weight: i32,
    /// Who is asked for its replies, in this order, unless the persona has a chain; null means the configured default.
    #[schema(example = json!(["anthropic", "openai/gpt-4.1-mini"]))]
    pub chain: Option<Vec<String>>,
    /// Who may speak to its users at all: providers, or single models of them; null means everybody. What else a chain
    /// names is passed over.
    #[schema(example = json!(["openai/gpt-4.1-mini", "offline"]))]
    pub models: Option<Vec<String>>,
    /// Calls of one user.
    pub calls_per_minute: i32,
    /// Messages that one user sends; they count as calls too.
    pub chat_per_minute: i32,
}

/// A reply that is being written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Running {
    pub request_id: RequestId,
    pub user_id: UserId,
    pub tier: String,
    pub persona: String,
    pub attempt: i32,
    pub started_at: DateTime<Utc>,
    /// Until when the worker has said that it lives.
    pub lease_until: DateTime<Utc>,
    /// From being handed to the queue to the start of this attempt.
    #[schema(example = 3)]
    pub dispatch_lag_ms: Option<i64>,
    #[serde(skip)]
    pub worker: String,
}

/// What a worker does with what waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum WorkerState {
    Active,
    /// It takes nothing up, and finishes what runs.
    Paused,
    /// The same, and then it ends; what still runs after the drain time is handed back.
    Draining,
}

/// A job other than a reply that is being done.
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

/// A worker and what it is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Worker {
    pub name: String,
    pub version: String,
    pub state: WorkerState,
    /// Why it is not as it was started, where an admin has changed it.
    pub reason: Option<String>,
    /// How many replies it writes at the same time.
    pub slots: i32,
    /// The kinds of jobs, beside replies, that it runs.
    #[schema(example = json!(["deletion", "export", "index"]))]
    pub kinds: Vec<String>,
    pub started_at: DateTime<Utc>,
    pub seen_at: DateTime<Utc>,
    /// Whether it was heard of lately enough.
    pub alive: bool,
    pub running: Vec<Running>,
    pub running_jobs: Vec<RunningJob>,
}
