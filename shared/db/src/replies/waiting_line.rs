//! What waits in a conversation behind a running reply: listed, edited, put into another order, withdrawn.
//!
//! An edit must never meet a claim, which may have read the older text already. So only a request that was never handed
//! to the queue is edited or moved; handing one over needs the row that the edit holds, and comes after it.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor, Result};
use troupe_core::{
    ids::{ConversationId, MessageId, RequestId, UserId},
    model::{Message, RequestStatus, Role},
};

/// A message that has no reply yet.
#[derive(Debug, Clone)]
pub struct Unanswered {
    pub message: Message,
    pub status: RequestStatus,
    pub tier: String,
    pub dispatched: bool,
    /// The end of a pause before a retry.
    pub not_before: Option<DateTime<Utc>>,
}

/// The open requests of a conversation with their questions, in the order of their turns.
pub async fn list(db: impl PgExecutor<'_>, user: UserId, conversation: ConversationId) -> Result<Vec<Unanswered>> {
    let rows = sqlx::query!(
        r#"select r.id as "request_id: RequestId", r.status as "status: RequestStatus", r.tier,
               r.dispatched_at is not null as "dispatched!", case when r.not_before > now() then r.not_before end as not_before,
               m.id as "id: MessageId", m.content, m.created_at, r.position, r.branch
           from requests r join messages m on m.request_id = r.id and m.role = 'user'
           where r.user_id = $1 and r.conversation_id = $2 and r.finished_at is null order by r.position"#,
        user.as_uuid(),
        conversation.as_uuid(),
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Unanswered {
            message: Message {
                id: row.id,
                conversation_id: conversation,
                request_id: row.request_id,
                role: Role::User,
                content: row.content,
                created_at: row.created_at,
                turn: row.position,
                branch: row.branch,
                variants: Vec::new(),
                outcome: None,
            },
            status: row.status,
            tier: row.tier,
            dispatched: row.dispatched,
            not_before: row.not_before,
        })
        .collect())
}

/// Changes the text of a question that waits; `false` where it does not wait any more.
pub async fn edit(db: &mut PgConnection, user: UserId, request: RequestId, content: &str) -> Result<bool> {
    let waits = sqlx::query_scalar!(
        r#"select true as "waits!" from requests
           where id = $1 and user_id = $2 and status = 'queued' and attempt = 0 and dispatched_at is null for update"#,
        request.as_uuid(),
        user.as_uuid(),
    )
    .fetch_optional(&mut *db)
    .await?;
    if waits.is_none() {
        return Ok(false);
    }
    sqlx::query!(
        "with edited as (update messages set content = $2 where request_id = $1 and role = 'user' returning id)
         update message_words w set words = to_tsvector('simple', left($2, 100000)) || array_to_tsvector(array['user:' || $3::uuid])
         from edited e where w.message_id = e.id",
        request.as_uuid(),
        content,
        user.as_uuid(),
    )
    .execute(db)
    .await?;
    Ok(true)
}

/// Puts the requests that wait in a conversation into this order; `false` where these are not all that do.
pub async fn reorder(
    db: &mut PgConnection,
    user: UserId,
    conversation: ConversationId,
    order: &[RequestId],
) -> Result<bool> {
    let mut waiting = sqlx::query!(
        r#"select id as "id: RequestId", position from requests
           where user_id = $1 and conversation_id = $2 and finished_at is null and status = 'queued' and attempt = 0
             and dispatched_at is null
           order by position for update"#,
        user.as_uuid(),
        conversation.as_uuid(),
    )
    .fetch_all(&mut *db)
    .await?;
    let positions: Vec<_> = waiting.iter().map(|row| row.position).collect();
    let (mut known, mut wanted) = (waiting.drain(..).map(|row| row.id).collect::<Vec<_>>(), order.to_vec());
    known.sort_unstable();
    wanted.sort_unstable();
    if known != wanted {
        return Ok(false);
    }
    sqlx::query!(
        "with turn as (
             select * from unnest($1::uuid[], $2::bigint[]) as t (id, position)
         ), moved as (
             update requests r set position = t.position from turn t where r.id = t.id
         )
         update messages m set turn = t.position from turn t where m.request_id = t.id",
        &order.iter().map(|id| id.as_uuid()).collect::<Vec<_>>(),
        &positions,
    )
    .execute(db)
    .await?;
    Ok(true)
}

/// Removes a request that no worker has begun, with its question; returns the conversation and the text.
pub async fn withdraw(
    db: &mut PgConnection,
    user: UserId,
    request: RequestId,
) -> Result<Option<(ConversationId, String)>> {
    let row = sqlx::query!(
        r#"select r.conversation_id as "conversation_id: ConversationId", m.content
           from requests r join messages m on m.request_id = r.id and m.role = 'user'
           where r.id = $1 and r.user_id = $2 and r.status = 'queued' and r.attempt = 0 for update of r"#,
        request.as_uuid(),
        user.as_uuid(),
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    sqlx::query!("delete from requests where id = $1", request.as_uuid()).execute(db).await?;
    Ok(Some((row.conversation_id, row.content)))
}
