//! Versions of personas' vectors, by which processes detect that their copies are stale.

use sqlx::{PgExecutor, Result};
use troupe_core::ids::PersonaId;

/// 0 where nothing has been indexed yet.
pub async fn of(db: impl PgExecutor<'_>, persona: PersonaId) -> Result<i64> {
    let version = sqlx::query_scalar!("select version from vector_versions where persona_id = $1", persona.as_uuid());
    Ok(version.fetch_optional(db).await?.unwrap_or(0))
}

/// For existing personas only.
pub async fn raise(db: impl PgExecutor<'_>, personas: &[PersonaId]) -> Result<()> {
    sqlx::query!(
        "insert into vector_versions (persona_id)
         select distinct changed.id from unnest($1::uuid[]) as changed (id) join personas p on p.id = changed.id order by 1
         on conflict (persona_id) do update set version = vector_versions.version + 1",
        personas as &[PersonaId],
    )
    .execute(db)
    .await?;
    Ok(())
}

pub async fn forget(db: impl PgExecutor<'_>, persona: PersonaId) -> Result<()> {
    sqlx::query!("delete from vector_versions where persona_id = $1", persona.as_uuid()).execute(db).await?;
    Ok(())
}
