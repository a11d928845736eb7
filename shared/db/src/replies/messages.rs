//! Reading messages. They are written with their requests: [`super::accept`], [`super::finish`].

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, Result};
use troupe_core::{
    ids::{ConversationId, MessageId, RequestId, UserId},
    model::{Message, ReplyOutcome, RequestStatus, Role, feedback::Rating, providers::Incomplete},
};

/// Which messages of a conversation are read, from the chosen path.
#[derive(Debug, Clone, Copy)]
pub enum Window {
    /// The newest, or those before this one.
    Before(Option<MessageId>),
    /// Those after this one.
    After(MessageId),
}

/// The messages on the chosen path, newest first, questions with the other turns in their place. `None` where the user
/// has no such conversation.
pub async fn list(
    db: &sqlx::PgPool,
    user: UserId,
    conversation: ConversationId,
    window: Window,
    limit: i64,
) -> Result<Option<Vec<Message>>> {
    let mut messages = match window {
        Window::Before(before) => before_position(db, user, conversation, before, limit).await?,
        Window::After(after) => after_position(db, user, conversation, after, limit).await?,
    };
    if messages.is_empty() && super::conversations::find(db, user, conversation).await?.is_none() {
        return Ok(None);
    }
    super::branches::fill_variants(db, conversation, &mut messages).await?;
    fill_outcomes(db, &mut messages).await?;
    Ok(Some(messages))
}

async fn fill_outcomes(db: impl PgExecutor<'_>, messages: &mut [Message]) -> Result<()> {
    let replies = messages.iter_mut().filter(|message| message.role == Role::Assistant);
    let mut replies: HashMap<_, _> = replies.map(|reply| (reply.request_id, reply)).collect();
    let ids: Vec<_> = replies.keys().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"select r.id as "id!: RequestId", r.status as "status!: RequestStatus", r.incomplete as "incomplete: Incomplete",
               f.rating as "rating?: Rating"
           from requests r left join feedback f on f.request_id = r.id where r.id = any ($1)"#,
        &ids,
    )
    .fetch_all(db)
    .await?;
    for row in rows {
        let outcome = ReplyOutcome { status: row.status, incomplete: row.incomplete, rating: row.rating };
        replies.entry(row.id).and_modify(|reply| reply.outcome = Some(outcome));
    }
    Ok(())
}

async fn before_position(
    db: impl PgExecutor<'_>,
    user: UserId,
    conversation: ConversationId,
    before: Option<MessageId>,
    limit: i64,
) -> Result<Vec<Message>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select m.id as "id: MessageId", m.conversation_id as "conversation_id: ConversationId",
               m.request_id as "request_id: RequestId", m.role as "role: Role", m.content, m.created_at, m.turn, m.branch
           from conversations c
           join messages m on m.conversation_id = c.id
           left join branches b on b.conversation_id = c.id and b.number = c.branch
           where c.id = $2 and c.user_id = $1
             and ($3::uuid is null or m.position < (select position from messages where id = $3 and conversation_id = $2))
             and (m.branch = c.branch or exists (select from unnest(b.ancestors, b.below) a (number, below)
                                                 where a.number = m.branch and m.turn < a.below))
           order by m.position desc limit $4"#,
        user.as_uuid(),
        conversation.as_uuid(),
        before.map(MessageId::as_uuid),
        limit,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

async fn after_position(
    db: impl PgExecutor<'_>,
    user: UserId,
    conversation: ConversationId,
    after: MessageId,
    limit: i64,
) -> Result<Vec<Message>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select m.id as "id: MessageId", m.conversation_id as "conversation_id: ConversationId",
               m.request_id as "request_id: RequestId", m.role as "role: Role", m.content, m.created_at, m.turn, m.branch
           from conversations c
           join messages m on m.conversation_id = c.id
           left join branches b on b.conversation_id = c.id and b.number = c.branch
           where c.id = $2 and c.user_id = $1
             and m.position > (select position from messages where id = $3 and conversation_id = $2)
             and (m.branch = c.branch or exists (select from unnest(b.ancestors, b.below) a (number, below)
                                                 where a.number = m.branch and m.turn < a.below))
           order by m.position limit $4"#,
        user.as_uuid(),
        conversation.as_uuid(),
        after.as_uuid(),
        limit,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().rev().map(Into::into).collect())
}

/// The question of a turn, by its request.
pub async fn question_id(
    db: impl PgExecutor<'_>,
    user: UserId,
    conversation: ConversationId,
    request: RequestId,
) -> Result<Option<MessageId>> {
    sqlx::query_scalar!(
        r#"select m.id as "id: MessageId" from messages m join conversations c on c.id = m.conversation_id
           where c.user_id = $1 and c.id = $2 and m.request_id = $3 and m.role = 'user'"#,
        user.as_uuid(),
        conversation.as_uuid(),
        request.as_uuid(),
    )
    .fetch_optional(db)
    .await
}

struct Row {
    id: MessageId,
    conversation_id: ConversationId,
    request_id: RequestId,
    role: Role,
    content: String,
    created_at: DateTime<Utc>,
    turn: i64,
    branch: i32,
}

impl From<Row> for Message {
    fn from(row: Row) -> Self {
        let Row { id, conversation_id, request_id, role, content, created_at, turn, branch } = row;
        let (variants, outcome) = (Vec::new(), None);
        Self { id, conversation_id, request_id, role, content, created_at, turn, branch, variants, outcome }
    }
}

/// The messages of a user's conversations after one of them, oldest first: what a socket missed while it was
/// disconnected.
pub async fn since(db: impl PgExecutor<'_>, user: UserId, after: MessageId, limit: i64) -> Result<Vec<Message>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select m.id as "id: MessageId", m.conversation_id as "conversation_id: ConversationId",
               m.request_id as "request_id: RequestId", m.role as "role: Role", m.content, m.created_at, m.turn, m.branch
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
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// The question of a request, or of one that was redriven since.
pub async fn question_of(db: impl PgExecutor<'_>, user: UserId, request: RequestId) -> Result<Option<Message>> {
    let row = sqlx::query_as!(
        Row,
        r#"select m.id as "id: MessageId", r.conversation_id as "conversation_id: ConversationId",
               r.id as "request_id: RequestId", m.role as "role: Role", m.content, m.created_at, m.turn, m.branch
           from requests r
           join messages m on (m.request_id = r.id and m.role = 'user') or m.id = r.question_id
           where r.id = $1 and r.user_id = $2"#,
        request.as_uuid(),
        user.as_uuid(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(Into::into))
}
