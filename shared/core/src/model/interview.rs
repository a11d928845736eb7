//! The interview: questions, the owner's answers, and the progress.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{QuestionId, ResponseId};

/// The maximum length of an answer, in characters.
pub const MAX_CONTENT_CHARS: usize = 32_768;
/// The maximum length of a question, in characters.
pub const MAX_QUESTION_CHARS: usize = 1_000;
/// The maximum length of a category's name, in characters.
pub const MAX_CATEGORY_CHARS: usize = 60;
/// The default category of own questions.
pub const OWN_CATEGORY: &str = "own";

/// Whether an answer is a draft, or knowledge of the persona.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum ResponseStatus {
    Draft,
    Final,
}

impl ResponseStatus {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Final => "final",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        [Self::Draft, Self::Final].into_iter().find(|status| status.name() == name)
    }
}

/// A question of the bank, or one of the caller's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Question {
    pub id: QuestionId,
    #[schema(example = "beginnings")]
    pub category: String,
    #[schema(example = "What is the earliest thing you can remember, and who was there?")]
    pub text: String,
    /// Whether it is the caller's own.
    pub own: bool,
    /// The state of the selected persona's answer; null without one.
    pub answer: Option<ResponseStatus>,
    /// The position in the interview.
    #[serde(skip)]
    pub position: i64,
}

/// The question of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Asked {
    pub id: QuestionId,
    #[schema(example = "beginnings")]
    pub category: String,
    pub text: String,
}

/// The owner's answer to one question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Response {
    pub id: ResponseId,
    pub question: Asked,
    pub content: String,
    pub status: ResponseStatus,
    /// Raised by every change; also the `ETag`.
    pub version: i32,
    pub words: i32,
    pub created_at: DateTime<Utc>,
    /// When this version was written.
    pub written_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<DateTime<Utc>>,
}

impl Response {
    /// Whether it is knowledge of the persona.
    pub const fn counts(&self) -> bool {
        matches!(self.status, ResponseStatus::Final) && self.deleted_at.is_none()
    }
}

/// An earlier version of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ResponseVersion {
    pub version: i32,
    pub content: String,
    pub status: ResponseStatus,
    pub written_at: DateTime<Utc>,
}

/// The progress in a category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CategoryProgress {
    #[schema(example = "beginnings")]
    pub category: String,
    /// Questions, of the bank and one's own.
    pub total: i64,
    /// Those with a final answer.
    pub answered: i64,
    /// Those whose answer is a draft.
    pub drafts: i64,
    /// Of the final answers.
    pub words: i64,
    /// When an answer was last written, a draft or a final one.
    pub last_answer_at: Option<DateTime<Utc>>,
}
