//! Conversations. Every function is scoped to the user.

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, Result};
use troupe_core::{
    ids::{ConversationId, UserId},
    model::{Conversation, PersonaName},
};

use crate::Page;

struct Row {
    id: ConversationId,
    slug: String,
    name: String,
    title: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for Conversation {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            persona: PersonaName { slug: row.slug, name: row.name },
            title: row.title,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// `None` where there is no such persona that the user may talk to.
pub async fn create(
    db: impl PgExecutor<'_>,
    id: ConversationId,
    user: UserId,
    persona: &str,
    title: Option<&str>,
) -> Result<Option<Conversation>> {
    let row = sqlx::query_as!(
        Row,
        r#"with persona as (
               select id, slug, name from personas
               where slug = $3 and (owner_id = $2 or visibility in ('public', 'link'))
           ), conversation as (
               insert into conversations (id, user_id, persona_id, title) select $1, $2, id, $4 from persona
               returning id, title, created_at, updated_at
           )
           select c.id as "id: ConversationId", p.slug, p.name, c.title, c.created_at, c.updated_at from conversation c, persona p"#,
        id.as_uuid(),
        user.as_uuid(),
        persona,
        title,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(Into::into))
}

/// Newest first.
pub async fn list(db: impl PgExecutor<'_>, user: UserId, page: Page<ConversationId>) -> Result<Vec<Conversation>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select c.id as "id: ConversationId", p.slug, p.name, c.title, c.created_at, c.updated_at
           from conversations c join personas p on p.id = c.persona_id
           where c.user_id = $1 and ($2::uuid is null or c.id < $2)
           order by c.id desc limit $3"#,
        user.as_uuid(),
        page.after.map(ConversationId::as_uuid),
        page.limit,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

pub async fn find(db: impl PgExecutor<'_>, user: UserId, id: ConversationId) -> Result<Option<Conversation>> {
    let row = sqlx::query_as!(
        Row,
        r#"select c.id as "id: ConversationId", p.slug, p.name, c.title, c.created_at, c.updated_at
           from conversations c join personas p on p.id = c.persona_id where c.user_id = $1 and c.id = $2"#,
        user.as_uuid(),
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(Into::into))
}

pub async fn rename(
    db: impl PgExecutor<'_>,
    user: UserId,
    id: ConversationId,
    title: &str,
) -> Result<Option<Conversation>> {
    let row = sqlx::query_as!(
        Row,
        r#"update conversations c set title = $3, updated_at = now()
           from personas p where p.id = c.persona_id and c.user_id = $1 and c.id = $2
           returning c.id as "id: ConversationId", p.slug, p.name, c.title, c.created_at, c.updated_at"#,
        user.as_uuid(),
        id.as_uuid(),
        title,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(Into::into))
}

/// Deletes the conversation with all it holds; whether there was one.
pub async fn delete(db: impl PgExecutor<'_>, user: UserId, id: ConversationId) -> Result<bool> {
    let done = sqlx::query!("delete from conversations where user_id = $1 and id = $2", user.as_uuid(), id.as_uuid())
        .execute(db)
        .await?;
    Ok(done.rows_affected() > 0)
}
