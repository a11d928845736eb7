//! What the index of knowledge must still be told, by source.
//!
//! Marked in the transaction that changes what a persona knows, so that no change can get lost on its way to the index.

use sqlx::{PgExecutor, Result};
use uuid::Uuid;

use crate::ids::PersonaId;

/// From what a persona knows something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceKind {
    Response,
    Document,
}

impl SourceKind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Response => "response",
            Self::Document => "document",
        }
    }
}

/// Notes that a source has changed.
pub async fn mark(db: impl PgExecutor<'_>, kind: SourceKind, source: Uuid, persona: PersonaId) -> Result<()> {
    mark_all(db, kind, &[source], persona).await
}

/// The same for many sources of one persona.
pub async fn mark_all(db: impl PgExecutor<'_>, kind: SourceKind, sources: &[Uuid], persona: PersonaId) -> Result<()> {
    sqlx::query!(
        "insert into index_work (source_kind, source_id, persona_id)
         select $1, source, $3 from unnest($2::uuid[]) source order by source
         on conflict (source_kind, source_id) do update set changes = index_work.changes + 1, due_at = now()",
        kind.name(),
        sources,
        persona.as_uuid(),
    )
    .execute(db)
    .await?;
    Ok(())
}
