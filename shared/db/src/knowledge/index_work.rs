//! What is still to be indexed: each source once, however often it has changed since.
//!
//! Whoever changes what a source says, or whether it counts, marks it in the same transaction. A worker takes it for a while;
//! the moment at which it is given to another is the worker's token. Whatever happens meanwhile (another change, another
//! worker) sets another moment, and then [`settle`] refuses: passages are always made of what was marked last.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, Result};
use troupe_core::{ids::PersonaId, model::knowledge::SourceKind};
use uuid::Uuid;

/// A source that a worker has taken.
#[derive(Debug, Clone)]
pub struct IndexWork {
    pub source_kind: SourceKind,
    pub source_id: Uuid,
    pub persona_id: PersonaId,
    /// How often it was taken since its last change, this time included.
    pub attempts: i32,
    changes: i32,
    due_at: DateTime<Utc>,
}

/// Says that a source has changed, or that it counts or does not count any more.
pub async fn mark(db: impl PgExecutor<'_>, kind: SourceKind, source_id: Uuid, persona_id: PersonaId) -> Result<()> {
    mark_all(db, kind, &[source_id], persona_id).await
}

/// The same of many sources of one persona.
pub async fn mark_all(
    db: impl PgExecutor<'_>,
    kind: SourceKind,
    source_ids: &[Uuid],
    persona_id: PersonaId,
) -> Result<()> {
    // In one order, so that two of these never wait for each other.
    sqlx::query!(
        "insert into index_work (source_kind, source_id, persona_id)
         select $1, source, $3 from unnest($2::uuid[]) source order by source
         on conflict (source_kind, source_id) do update set changes = index_work.changes + 1, due_at = now(), attempts = 0",
        kind as SourceKind,
        source_ids,
        persona_id.as_uuid(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes what has waited longest, for so long.
pub async fn take(db: impl PgExecutor<'_>, lease: Duration) -> Result<Option<IndexWork>> {
    sqlx::query_as!(
        IndexWork,
        r#"update index_work w set attempts = w.attempts + 1, due_at = clock_timestamp() + make_interval(secs => $1)
           from (select source_kind, source_id from index_work where due_at <= now()
                 order by due_at limit 1 for update skip locked) due
           where w.source_kind = due.source_kind and w.source_id = due.source_id
           returning w.source_kind as "source_kind: SourceKind", w.source_id, w.persona_id as "persona_id: PersonaId",
               w.attempts, w.changes, w.due_at"#,
        lease.as_secs_f64(),
    )
    .fetch_optional(db)
    .await
}

/// Removes it with the transaction in which its passages are replaced; `false` where the worker does not have it any more, and
/// must leave everything as it is.
pub async fn settle(db: impl PgExecutor<'_>, work: &IndexWork) -> Result<bool> {
    let done = sqlx::query!(
        "delete from index_work where source_kind = $1 and source_id = $2 and due_at = $3 and changes = $4",
        work.source_kind as SourceKind,
        work.source_id,
        work.due_at,
        work.changes,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Puts it back, to be taken after a pause.
pub async fn put_back(db: impl PgExecutor<'_>, work: &IndexWork, pause: Duration) -> Result<()> {
    sqlx::query!(
        "update index_work set due_at = now() + make_interval(secs => $5)
         where source_kind = $1 and source_id = $2 and due_at = $3 and changes = $4",
        work.source_kind as SourceKind,
        work.source_id,
        work.due_at,
        work.changes,
        pause.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(())
}
