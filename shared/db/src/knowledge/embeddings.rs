//! Vectors by content and model, so that each content is embedded once; and the lookup of passages' vectors.

use sqlx::{PgExecutor, Result};
use troupe_core::{
    ids::{PassageId, PersonaId},
    ports::Point,
};
use uuid::Uuid;

/// The content of a passage, with its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub digest: Vec<u8>,
    pub content: String,
}

/// The contents of these passages that have no vector of this model yet, without duplicates.
pub async fn missing(db: impl PgExecutor<'_>, model: &str, passages: &[PassageId]) -> Result<Vec<Content>> {
    sqlx::query_as!(
        Content,
        "select distinct on (p.digest) p.digest, p.content from passages p
         where p.id = any ($1) and not exists (select from embeddings e where e.digest = p.digest and e.model = $2)",
        passages as &[PassageId],
        model,
    )
    .fetch_all(db)
    .await
}

/// Stores vectors, by the digests of their contents.
pub async fn keep(db: impl PgExecutor<'_>, model: &str, contents: &[Content], vectors: &[Vec<f32>]) -> Result<()> {
    let digests: Vec<_> = contents.iter().map(|content| content.digest.clone()).collect();
    let vectors: Vec<_> = vectors.iter().map(|vector| to_bytes(vector)).collect();
    sqlx::query!(
        "insert into embeddings (digest, model, vector)
         select digest, $1, vector from unnest($2::bytea[], $3::bytea[]) as new (digest, vector) order by digest
         on conflict (digest, model) do nothing",
        model,
        &digests,
        &vectors,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Those of these passages that exist and have a vector of this model.
pub async fn points(db: impl PgExecutor<'_>, model: &str, passages: &[PassageId]) -> Result<Vec<Point>> {
    let rows = sqlx::query!(
        r#"select p.id as "passage: PassageId", p.persona_id as "persona: PersonaId", p.source_id, e.vector
           from passages p join embeddings e on e.digest = p.digest and e.model = $2
           where p.id = any ($1)"#,
        passages as &[PassageId],
        model,
    )
    .fetch_all(db)
    .await?;
    let points = rows.into_iter().map(|row| Point {
        passage: row.passage,
        persona: row.persona,
        source: row.source_id,
        vector: from_bytes(&row.vector),
    });
    Ok(points.collect())
}

/// The passages of a persona that have a vector of this model: looked up one by one, instead of a join with all
/// vectors.
pub async fn of_persona(db: impl PgExecutor<'_>, model: &str, persona: PersonaId) -> Result<Vec<PassageId>> {
    sqlx::query_scalar!(
        r#"select id as "id: PassageId" from passages p
           where persona_id = $1 and exists (select from embeddings e where e.digest = p.digest and e.model = $2 offset 0)"#,
        persona.as_uuid(),
        model,
    )
    .fetch_all(db)
    .await
}

/// Those of these passages that do not exist.
pub async fn gone(db: impl PgExecutor<'_>, passages: &[PassageId]) -> Result<Vec<PassageId>> {
    sqlx::query_scalar!(
        r#"select id as "id!: PassageId" from unnest($1::uuid[]) as asked (id)
           where not exists (select from passages p where p.id = asked.id)"#,
        passages as &[PassageId],
    )
    .fetch_all(db)
    .await
}

/// Passages of all personas in the order of their ids, after this one.
pub async fn passages_after(db: impl PgExecutor<'_>, last: Option<PassageId>, max_rows: i64) -> Result<Vec<PassageId>> {
    sqlx::query_scalar!(
        r#"select id as "id: PassageId" from passages where id > $1 order by id limit $2"#,
        last.map_or(Uuid::nil(), PassageId::as_uuid),
        max_rows,
    )
    .fetch_all(db)
    .await
}

/// PostgreSQL's estimate of the number of passages.
pub async fn passages_about(db: impl PgExecutor<'_>) -> Result<u64> {
    let about = sqlx::query_scalar!(
        r#"select greatest(reltuples, 0)::bigint as "about!" from pg_class where oid = 'passages'::regclass"#
    );
    Ok(about.fetch_one(db).await?.unsigned_abs())
}

/// Removes vectors of contents that no passage has any more.
///
/// A concurrent insert of a passage with such a content, invisible to this statement, has raised `uses`: its vector
/// stays.
pub async fn remove_unused(db: impl PgExecutor<'_>, digests: &[Vec<u8>]) -> Result<u64> {
    let done = sqlx::query!(
        "with unused as materialized (
             select digest, model, uses from embeddings e
             where digest = any ($1) and not exists (select from passages p where p.digest = e.digest)
         )
         delete from embeddings e using unused u where e.digest = u.digest and e.model = u.model and e.uses = u.uses",
        digests,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn from_bytes(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)).collect()
}
