//! What is still to be indexed: a job for each source that has changed, however often.
//!
//! Whoever changes what a source says, or whether it counts, marks it in the same transaction. Marked again while a
//! worker has it, the job goes to another attempt, and the worker's end is refused: passages are always made of what
//! was marked last.

use serde_json::Value;
use sqlx::{PgExecutor, Result};
use troupe_core::{
    ids::PersonaId,
    jobs::{IndexSource, Payload},
    model::knowledge::SourceKind,
};
use uuid::Uuid;

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
