//! Pictures of personas. A persona has the digest of its own, so that lists need no bytes.

use sqlx::{PgConnection, PgExecutor, Result};
use troupe_core::ids::{PersonaId, UserId};

#[derive(Debug, Clone)]
pub struct Avatar {
    /// SHA-256 of the bytes, in hexadecimal digits.
    pub digest: String,
    pub content_type: String,
    pub bytes: Vec<u8>,
    pub width: i32,
    pub height: i32,
}

/// Puts this picture in the place of the one that there is.
pub async fn put(db: &mut PgConnection, persona: PersonaId, avatar: &Avatar) -> Result<()> {
    sqlx::query!(
        "insert into persona_avatars (persona_id, digest, content_type, bytes, width, height) values ($1, $2, $3, $4, $5, $6)
         on conflict (persona_id) do update set digest = excluded.digest, content_type = excluded.content_type,
             bytes = excluded.bytes, width = excluded.width, height = excluded.height, created_at = now()",
        persona.as_uuid(),
        avatar.digest,
        avatar.content_type,
        avatar.bytes,
        avatar.width,
        avatar.height,
    )
    .execute(&mut *db)
    .await?;
    point_to(db, persona, Some(&avatar.digest)).await
}

pub async fn delete(db: &mut PgConnection, persona: PersonaId) -> Result<()> {
    sqlx::query!("delete from persona_avatars where persona_id = $1", persona.as_uuid()).execute(&mut *db).await?;
    point_to(db, persona, None).await
}

/// Not another version of the persona: replies do not depend on its picture.
async fn point_to(db: &mut PgConnection, persona: PersonaId, digest: Option<&str>) -> Result<()> {
    sqlx::query!("update personas set avatar = $2 where id = $1", persona.as_uuid(), digest).execute(db).await?;
    Ok(())
}

/// The picture of a persona that a user may talk with.
pub async fn find(db: impl PgExecutor<'_>, user: UserId, slug: &str) -> Result<Option<Avatar>> {
    sqlx::query_as!(
        Avatar,
        "select a.digest, a.content_type, a.bytes, a.width, a.height
         from personas p join persona_avatars a on a.persona_id = p.id
         where p.slug = $2 and (p.owner_id = $1 or (p.visibility in ('public', 'link') and p.hidden_at is null))",
        user.as_uuid(),
        slug,
    )
    .fetch_optional(db)
    .await
}

/// The picture of a persona, for its owner.
pub async fn of(db: impl PgExecutor<'_>, persona: PersonaId) -> Result<Option<Avatar>> {
    sqlx::query_as!(
        Avatar,
        "select digest, content_type, bytes, width, height from persona_avatars where persona_id = $1",
        persona.as_uuid(),
    )
    .fetch_optional(db)
    .await
}
