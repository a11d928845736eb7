//! How far the indexing of a persona's knowledge has come.

use sqlx::{PgExecutor, Result};
use troupe_core::ids::PersonaId;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What searches by words find.
    pub passages: i64,
    /// Answers and documents that have changed since their passages were made.
    pub pending_sources: i64,
    /// Passages that searches by meaning do not find yet.
    pub pending_vectors: i64,
}

pub async fn of(db: impl PgExecutor<'_>, persona: PersonaId) -> Result<Progress> {
    // Open jobs and work are few beside what is there.
    sqlx::query_as!(
        Progress,
        r#"select (select count(*) from passages where persona_id = $1) as "passages!",
                  (select count(*) from jobs
                   where kind = 'index' and finished_at is null and key is not null
                     and payload->>'persona_id' = $1::uuid::text) as "pending_sources!",
                  (select count(*) from vector_work where kind = 'passage' and persona_id = $1) as "pending_vectors!""#,
        persona.as_uuid(),
    )
    .fetch_one(db)
    .await
}
