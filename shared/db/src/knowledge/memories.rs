//! Memories of personas about their users. A user lists, adds and deletes only their own; owners of personas see none.

use sqlx::{PgExecutor, Result};
use troupe_core::{
    ids::{MemoryId, PersonaId, RequestId, UserId},
    model::memory::{MAX_MEMORIES, Memory},
};
use uuid::Uuid;

use crate::Page;

/// The newest first, for a prompt.
pub async fn newest(db: impl PgExecutor<'_>, user: UserId, persona: PersonaId, limit: i64) -> Result<Vec<Memory>> {
    sqlx::query_as!(
        Memory,
        r#"select id as "id: MemoryId", fact, request_id as "request_id: RequestId", created_at
           from memories where user_id = $1 and persona_id = $2 order by id desc limit $3"#,
        user.as_uuid(),
        persona.as_uuid(),
        limit,
    )
    .fetch_all(db)
    .await
}

/// Stores the facts of a message. Existing facts are unchanged, so this is idempotent; beyond the maximum, the oldest
/// are removed.
pub async fn keep(
    db: impl PgExecutor<'_>,
    user: UserId,
    persona: PersonaId,
    request: RequestId,
    facts: &[String],
) -> Result<()> {
    let ids: Vec<_> = facts.iter().map(|_| MemoryId::new().as_uuid()).collect();
    sqlx::query!(
        "with source as (
             select id from requests where id = $3 for key share
         ), kept as (
             insert into memories (id, user_id, persona_id, fact, request_id)
             select f.id, $1, $2, f.fact, s.id from source s, unnest($4::uuid[], $5::text[]) with ordinality as f (id, fact, place)
             order by f.place
             on conflict (user_id, persona_id, lower(fact)) do nothing
             returning id
         )
         delete from memories where id in (
             select id from memories where user_id = $1 and persona_id = $2
             order by id desc offset greatest(0, $6 - (select count(*) from kept)))",
        user.as_uuid(),
        persona.as_uuid(),
        request.as_uuid(),
        &ids,
        facts,
        MAX_MEMORIES,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Stores a fact that a user added, or its new wording; beyond the maximum, the oldest are removed.
pub async fn write(db: impl PgExecutor<'_>, user: UserId, persona: PersonaId, fact: &str) -> Result<Memory> {
    sqlx::query_as!(
        Memory,
        r#"with kept as (
               insert into memories (id, user_id, persona_id, fact) values ($3, $1, $2, $4)
               on conflict (user_id, persona_id, lower(fact)) do update set fact = excluded.fact
               returning id, fact, request_id, created_at
           ), gone as (
               delete from memories where id in (
                   select id from memories where user_id = $1 and persona_id = $2 and lower(fact) <> lower($4)
                   order by id desc offset $5::bigint - 1)
           )
           select id as "id!: MemoryId", fact as "fact!", request_id as "request_id: RequestId", created_at as "created_at!" from kept"#,
        user.as_uuid(),
        persona.as_uuid(),
        MemoryId::new().as_uuid(),
        fact,
        MAX_MEMORIES,
    )
    .fetch_one(db)
    .await
}

/// A persona's memories of a user, the newest first, even if they may not talk with it any more.
pub async fn list(db: impl PgExecutor<'_>, user: UserId, slug: &str, page: Page<MemoryId>) -> Result<Vec<Memory>> {
    sqlx::query_as!(
        Memory,
        r#"select m.id as "id: MemoryId", m.fact, m.request_id as "request_id: RequestId", m.created_at
           from personas p join memories m on m.persona_id = p.id
           where p.slug = $2 and m.user_id = $1 and m.id < $3 order by m.id desc limit $4"#,
        user.as_uuid(),
        slug,
        page.after.map_or(Uuid::max(), MemoryId::as_uuid),
        page.limit,
    )
    .fetch_all(db)
    .await
}

/// Deletes a memory; `false` where there is none.
pub async fn delete(db: impl PgExecutor<'_>, user: UserId, slug: &str, id: MemoryId) -> Result<bool> {
    let done = sqlx::query!(
        "delete from memories m using personas p where m.id = $3 and m.user_id = $1 and p.id = m.persona_id and p.slug = $2",
        user.as_uuid(),
        slug,
        id.as_uuid(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Deletes all memories; returns their number.
pub async fn delete_all(db: impl PgExecutor<'_>, user: UserId, slug: &str) -> Result<u64> {
    let done = sqlx::query!(
        "delete from memories m using personas p where m.user_id = $1 and p.id = m.persona_id and p.slug = $2",
        user.as_uuid(),
        slug,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
