//! The entities of the contract, as they are stored and as clients see them.
//!
//! These types are what the API shows; secrets (hashes, digests) are never part of them.

pub mod account_data;
mod account_role;
pub mod admin;
pub mod audit;
pub mod caller_options;
mod change;
pub mod feedback;
pub mod grounding;
pub mod interview;
pub mod jobs;
pub mod knowledge;
pub mod memory;
pub mod moderation;
pub mod money;
pub mod providers;
pub mod translation;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use account_role::{AccountRole, UnknownAccountRole};
pub use change::Change;
use grounding::Grounding;
use providers::{Incomplete, OverBudget, Try, WhenCut};

use crate::{
    ids::{ConversationId, MessageId, PersonaId, RequestId, UserId},
    problem::Problem,
};

/// A person with an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct User {
    pub id: UserId,
    #[schema(example = "ada@example.com")]
    pub email: String,
    pub name: String,
    pub role: AccountRole,
    #[schema(example = "free")]
    pub tier: String,
    pub created_at: DateTime<Utc>,
}

/// The visibility of a persona to other users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Visibility {
    Private,
    /// To anybody with the slug.
    Link,
    Public,
}

/// A character that replies.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "settings that have nothing to do with each other")]
pub struct Persona {
    pub id: PersonaId,
    #[schema(example = "demo")]
    pub slug: String,
    pub name: String,
    pub description: String,
    /// Visible to the owner only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    pub temperature: f32,
    /// The model of those links of the chain that name none and belong to the chain's first provider.
    pub model: Option<String>,
    /// The providers of its replies, in this order; null means the default. Visible to the owner only.
    #[schema(example = json!(["openai#spare/gpt-4.1-mini", "anthropic"]))]
    pub chain: Option<Vec<String>>,
    pub when_cut: WhenCut,
    pub over_budget: OverBudget,
    /// Whether replies are cached for the same question in the same circumstances.
    pub cache_replies: bool,
    /// Whether it keeps memories of its users.
    pub remembers: bool,
    pub languages: Vec<String>,
    pub visibility: Visibility,
    /// Whether the caller owns it and may change it.
    pub owned: bool,
    /// When an admin has hidden it: it gives no replies, and only its owner sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden_at: Option<DateTime<Utc>>,
    /// Why it is hidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "speaks for a person who has not agreed")]
    pub hidden_reason: Option<String>,
    /// Where its picture is, relative to the server's address; null where it has none. Another picture has another.
    #[schema(example = "/api/v1/personas/demo/avatar?v=9f86d081884c7d65")]
    pub avatar_url: Option<String>,
    /// What a conversation begins with: the first is shown, the others are alternatives. An opening is not stored.
    pub greetings: Vec<String>,
    #[schema(example = json!(["history", "engineers"]))]
    pub tags: Vec<String>,
    /// What `{{char}}` stands for; the name by default.
    pub nickname: Option<String>,
    /// The voice that speaks its replies, one of those of `/voices`; null for the default.
    #[schema(example = "openai/coral")]
    pub voice: Option<String>,
    /// How it speaks, for its owner only.
    pub example_dialogue: Option<String>,
    /// Instructions after the conversation, for its owner only.
    pub post_history: Option<String>,
    /// For those who talk with it, and in no prompt; shown to its owner only.
    pub creator_notes: Option<String>,
    pub has_lorebook: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// The persona of a conversation, as shown in lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PersonaName {
    #[schema(example = "demo")]
    pub slug: String,
    pub name: String,
    /// Where its picture is; null where it has none.
    pub avatar_url: Option<String>,
}

/// A user's thread with one persona.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Conversation {
    pub id: ConversationId,
    pub persona: PersonaName,
    pub title: Option<String>,
    pub created_at: DateTime<Utc>,
    /// The time of its newest message, or of a later change of its title.
    pub updated_at: DateTime<Utc>,
    /// The sort key of lists. Null where there is no message: then the time of creation is used.
    pub last_message_at: Option<DateTime<Utc>>,
    /// The branch that is listed, and at whose end new messages go; 0 is the trunk.
    pub branch: i32,
    pub pinned_at: Option<DateTime<Utc>>,
    pub archived_at: Option<DateTime<Utc>>,
    #[schema(example = "Sea stories")]
    pub folder: Option<String>,
    /// In no list, remembered by nobody, and deleted a day after its last message.
    pub temporary: bool,
    /// The conversation that it was begun as a copy of.
    pub forked_from: Option<ConversationId>,
    /// The language that the persona is to answer in, a tag of BCP 47; null where none is chosen.
    #[schema(example = "pt-BR")]
    pub language: Option<String>,
}

/// A folder of conversations: there as long as any is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Folder {
    #[schema(example = "Sea stories")]
    pub name: String,
    pub conversations: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Role {
    User,
    Assistant,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    pub id: MessageId,
    pub conversation_id: ConversationId,
    pub request_id: RequestId,
    pub role: Role,
    pub content: String,
    pub created_at: DateTime<Utc>,
    /// Where its turn stands in the conversation: the order of messages is by it, each question before its reply.
    pub turn: i64,
    /// The branch that it is on; 0 is the trunk.
    pub branch: i32,
    /// Of a listed question: all turns that stand in its place, in the order of being made. Absent where there is only
    /// this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Variant>,
    /// Of a listed reply: how it ended, and how it was rated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<ReplyOutcome>,
}

/// How a reply ended, and how it was rated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplyOutcome {
    /// `cancelled` where it was stopped: the reply is what had been shown.
    pub status: RequestStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<providers::Incomplete>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rating: Option<feedback::Rating>,
}

/// A turn that stands in the place of others, or with others in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Variant {
    pub request_id: RequestId,
    /// The request that asked its question first. Turns in which it is the same are versions of the reply; others are
    /// versions of the question.
    pub question_of: RequestId,
}

/// The state of a request. The last three are final: once written, they never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum RequestStatus {
    Queued,
    InProgress,
    Completed,
    Failed,
    Cancelled,
}

impl RequestStatus {
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// The tokens of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    pub prompt_tokens: u32,
    pub completion_tokens: u32,
    /// Whether we estimated the counts, because the provider reported none.
    #[serde(default)]
    pub estimated: bool,
}

/// The position of a request in the queue, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Place)]
pub struct QueuePosition {
    /// 1 is next.
    pub position: u64,
    /// Until its reply starts, at the rate of the last seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_seconds: Option<u64>,
}

/// A call of a provider, and the number of its attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NumberedTry {
    pub attempt: i32,
    #[serde(flatten)]
    pub tried: Try,
}

/// A reply to be generated, or generated.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Request {
    pub id: RequestId,
    pub conversation_id: ConversationId,
    pub status: RequestStatus,
    /// The number of the newest attempt; 0 before the first.
    pub attempt: i32,
    /// The message to reply to.
    pub message_id: MessageId,
    /// The reply, once there is one.
    pub reply: Option<Message>,
    /// Why the reply is incomplete, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<Incomplete>,
    /// Why it failed, if it did.
    pub error: Option<Problem>,
    pub usage: Option<Usage>,
    #[schema(example = "openai")]
    pub provider: Option<String>,
    pub model: Option<String>,
    /// The calls of providers, in their order, of all finished attempts.
    pub tries: Vec<NumberedTry>,
    /// The retrieved passages, where the persona has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retrieval: Option<Grounding>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}
