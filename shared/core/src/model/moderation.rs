//! What admins see of other people's personas.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::Visibility;
use crate::ids::{PersonaId, UserId};

/// A persona as admins see it. Its prompt is its owner's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, sqlx::FromRow)]
pub struct ModeratedPersona {
    pub id: PersonaId,
    #[schema(example = "demo")]
    pub slug: String,
    pub name: String,
    pub description: String,
    /// Null for what came with the product.
    pub owner_id: Option<UserId>,
    /// As its owner has set it, also while it is hidden.
    pub visibility: Visibility,
    /// Since when it gives no replies; null where it is not hidden.
    pub hidden_at: Option<DateTime<Utc>>,
    /// Why, as its owner sees it.
    #[schema(example = "speaks for a person who has not agreed")]
    pub hidden_reason: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}
