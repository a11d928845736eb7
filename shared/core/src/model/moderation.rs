//! Personas of all users, as shown to admins.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::Visibility;
use crate::ids::{PersonaId, UserId};

/// A persona as shown to admins. Its prompt is private.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, sqlx::FromRow)]
pub struct ModeratedPersona {
    pub id: PersonaId,
    #[schema(example = "demo")]
    pub slug: String,
    pub name: String,
    pub description: String,
    /// Null for built-in personas.
    pub owner_id: Option<UserId>,
    /// As its owner has set it, also while it is hidden.
    pub visibility: Visibility,
    /// When it was hidden; null where it is not. A hidden one gives no replies.
    pub hidden_at: Option<DateTime<Utc>>,
    /// The reason, also shown to its owner.
    #[schema(example = "speaks for a person who has not agreed")]
    pub hidden_reason: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}
