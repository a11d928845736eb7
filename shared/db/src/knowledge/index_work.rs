//! Pending indexing: one job per changed source.
//!
//! A change of a source is marked in the same transaction. If it is marked again while a worker has the job, the job
//! starts another attempt, and the worker's finish is fenced: passages always match the last change.

use serde_json::Value;
use sqlx::{PgExecutor, Result};
use troupe_core::{
    ids::PersonaId,
    jobs::{IndexSource, Payload},
    model::knowledge::SourceKind,
};
use uuid::Uuid;

/// Marks a source as changed.
pub async fn mark(db: impl PgExecutor<'_>, kind: SourceKind, source_id: Uuid, persona_id: PersonaId) -> Result<()> {
    mark_all(db, kind, &[source_id], persona_id).await
}

/// Marks many sources of one persona.
pub async fn mark_all(
    db: impl PgExecutor<'_>,
    kind: SourceKind,
    source_ids: &[Uuid],
    persona_id: PersonaId,
) -> Result<()> {
    // Sorted, to prevent deadlocks.
    let mut source_ids = source_ids.to_vec();
    source_ids.sort_unstable();
    let sources = source_ids.into_iter().map(|source_id| IndexSource { source_kind: kind, source_id, persona_id });
    let (keys, payloads): (Vec<_>, Vec<_>) =
        sources.map(|source| (source.key(), serde_json::to_value(source).unwrap_or_default())).unzip();
    sqlx::query!(
        "insert into jobs (kind, key, payload)
         select $1, key, payload from unnest($2::text[], $3::jsonb[]) with ordinality as source (key, payload, place) order by place
         on conflict (kind, key) where finished_at is null and key is not null do update
             set attempt = jobs.attempt + 1, failures = 0, lapses = 0, status = 'waiting', due_at = now(), lease_until = null,
                 payload = excluded.payload",
        IndexSource::KIND,
        &keys as &[Option<String>],
        &payloads as &[Value],
    )
    .execute(db)
    .await?;
    Ok(())
}
