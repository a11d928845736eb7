//! Reading messages. They are written with their requests: [`super::accept`], [`super::finish`].

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, Result};
use troupe_core::{
    ids::{ConversationId, MessageId, RequestId, UserId},
    model::{Message, Role},
};

use crate::Page;

/// Of one conversation, newest first. `None` where the user has no such conversation.
pub async fn list(
    db: &sqlx::PgPool,
    user: UserId,
    conversation: ConversationId,
    page: Page<MessageId>,
) -> Result<Option<Vec<Message>>> {
    let messages = sqlx::query_as!(
        Message,
        r#"select m.id as "id: MessageId", m.conversation_id as "conversation_id: ConversationId",
               m.request_id as "request_id: RequestId", m.role as "role: Role", m.content, m.created_at
           from messages m join conversations c on c.id = m.conversation_id
           where c.id = $2 and c.user_id = $1
             and ($3::uuid is null or m.position < (select position from messages where id = $3 and conversation_id = $2))
           order by m.position desc limit $4"#,
        user.as_uuid(),
        conversation.as_uuid(),
        page.after.map(MessageId::as_uuid),
        page.limit,
    )
    .fetch_all(db)
    .await?;
    if messages.is_empty() && super::conversations::find(db, user, conversation).await?.is_none() {
        return Ok(None);
    }
    Ok(Some(messages))
}

/// The messages of a user's conversations after one of them, oldest first: what a socket missed while it was
/// disconnected.
pub async fn since(db: impl PgExecutor<'_>, user: UserId, after: MessageId, limit: i64) -> Result<Vec<Message>> {
    sqlx::query_as!(
        Message,
        r#"select m.id as "id: MessageId", m.conversation_id as "conversation_id: ConversationId",
               m.request_id as "request_id: RequestId", m.role as "role: Role", m.content, m.created_at
           from conversations c join messages m on m.conversation_id = c.id
           where c.user_id = $1 and m.position > (
               select seen.position from messages seen join conversations o on o.id = seen.conversation_id
               where seen.id = $2 and o.user_id = $1)
           order by m.position limit $3"#,
        user.as_uuid(),
        after.as_uuid(),
        limit,
    )
    .fetch_all(db)
    .await
}

/// The id and the time of the message of a request, or of one that was redriven since.
pub async fn question_of(
    db: impl PgExecutor<'_>,
    user: UserId,
    request: RequestId,
) -> Result<Option<(MessageId, DateTime<Utc>)>> {
    let row = sqlx::query!(
        r#"select coalesce(m.id, moved.id) as "id!: MessageId", coalesce(m.created_at, moved.created_at) as "created_at!"
           from requests r
           left join messages m on m.request_id = r.id and m.role = 'user'
           left join messages moved on moved.id = r.question_id
           where r.id = $1 and r.user_id = $2"#,
        request.as_uuid(),
        user.as_uuid(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| (row.id, row.created_at)))
}
