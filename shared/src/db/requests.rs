//! Requests as the web tier and the sweeper see them: accepted, looked at, handed to the queue.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, Result, types::Json};

use crate::{
    ids::{ConversationId, MessageId, RequestId, UserId},
    jobs::Dispatch,
    model::{Message, Request, RequestStatus, Role, Usage},
    problem::Problem,
};

/// A message to be stored, and the request that will answer it.
#[derive(Debug, Clone)]
pub struct NewMessage<'a> {
    pub request_id: RequestId,
    pub message_id: MessageId,
    pub conversation_id: ConversationId,
    pub user_id: UserId,
    pub content: &'a str,
    pub correlation_id: &'a str,
}

/// What was stored.
#[derive(Debug, Clone)]
pub struct Accepted {
    pub created_at: DateTime<Utc>,
    /// Absent while an earlier message of the conversation waits for its reply.
    pub dispatch: Option<Dispatch>,
}

/// Stores a message and its request in one statement. `None` where the user has no such conversation.
pub async fn accept(db: impl PgExecutor<'_>, new: &NewMessage<'_>) -> Result<Option<Accepted>> {
    let row = sqlx::query!(
        r#"with owned as (
               select c.id, u.tier, exists (
                   select 1 from requests o where o.conversation_id = c.id and o.status in ('queued', 'in_progress')
               ) as busy
               from conversations c join users u on u.id = c.user_id
               where c.id = $3 and c.user_id = $4
           ), request as (
               insert into requests (id, conversation_id, user_id, tier, correlation_id, dispatched_at, dispatches)
               select $1, id, $4, tier, $6, case when not busy then now() end, case when busy then 0 else 1 end from owned
               returning position, tier, dispatches, created_at
           ), message as (
               insert into messages (id, conversation_id, request_id, turn, role, content)
               select $2, $3, $1, position, 'user', $5 from request
           )
           select tier, dispatches, created_at from request"#,
        new.request_id.as_uuid(),
        new.message_id.as_uuid(),
        new.conversation_id.as_uuid(),
        new.user_id.as_uuid(),
        new.content,
        new.correlation_id,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Accepted {
        created_at: row.created_at,
        dispatch: (row.dispatches > 0).then_some(Dispatch {
            request_id: new.request_id,
            tier: row.tier,
            number: row.dispatches,
        }),
    }))
}

pub async fn find(db: impl PgExecutor<'_>, user: UserId, id: RequestId) -> Result<Option<Request>> {
    let row = sqlx::query!(
        r#"select r.id as "id: RequestId", r.conversation_id as "conversation_id: ConversationId",
               r.status as "status: RequestStatus", r.attempt, q.id as "message_id: MessageId",
               a.id as "reply_id?: MessageId", a.content as "reply_content?", a.created_at as "reply_at?",
               r.error as "error: Json<Problem>", r.usage as "usage: Json<Usage>", r.provider, r.model,
               r.created_at, r.started_at, r.finished_at
           from requests r
           join messages q on q.request_id = r.id and q.role = 'user'
           left join messages a on a.request_id = r.id and a.role = 'assistant'
           where r.id = $1 and r.user_id = $2"#,
        id.as_uuid(),
        user.as_uuid(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Request {
        id: row.id,
        conversation_id: row.conversation_id,
        status: row.status,
        attempt: row.attempt,
        message_id: row.message_id,
        reply: match (row.reply_id, row.reply_content, row.reply_at) {
            (Some(reply), Some(content), Some(created_at)) => Some(Message {
                id: reply,
                conversation_id: row.conversation_id,
                request_id: row.id,
                role: Role::Assistant,
                content,
                created_at,
            }),
            _ => None,
        },
        error: row.error.map(|Json(error)| error),
        usage: row.usage.map(|Json(usage)| usage),
        provider: row.provider,
        model: row.model,
        created_at: row.created_at,
        started_at: row.started_at,
        finished_at: row.finished_at,
    }))
}

/// A request that is not final yet.
#[derive(Debug, Clone)]
pub struct Open {
    pub id: RequestId,
    pub conversation_id: ConversationId,
    pub status: RequestStatus,
    pub attempt: i32,
}

/// Everything that a user still waits for, in the order of sending.
pub async fn open_of(db: impl PgExecutor<'_>, user: UserId) -> Result<Vec<Open>> {
    sqlx::query_as!(
        Open,
        r#"select id as "id: RequestId", conversation_id as "conversation_id: ConversationId",
               status as "status: RequestStatus", attempt
           from requests where user_id = $1 and status in ('queued', 'in_progress') order by position limit 200"#,
        user.as_uuid(),
    )
    .fetch_all(db)
    .await
}

/// Requests that ought to be in the queue and may not be: due and never handed over, handed over long ago and not started,
/// or running under a lease that has run out. They are marked as handed over now; the caller does it.
pub async fn take_overdue(db: impl PgExecutor<'_>, redispatch_after: Duration, limit: i64) -> Result<Vec<Dispatch>> {
    let rows = sqlx::query!(
        r#"with waiting as (
               select id, dispatched_at is null as anew from requests q
               where status = 'queued' and not_before <= now()
                 and (dispatched_at is null or dispatched_at < now() - make_interval(secs => $1))
                 and not exists (select 1 from requests e where e.conversation_id = q.conversation_id
                                 and e.status in ('queued', 'in_progress') and e.position < q.position)
               order by not_before limit $2 for update skip locked
           ), expired as (
               select id, dispatched_at < lease_until as anew from requests
               where status = 'in_progress' and lease_until < now()
                 and (dispatched_at < lease_until or dispatched_at < now() - make_interval(secs => $1))
               order by lease_until limit $2 for update skip locked
           )
           update requests r set dispatched_at = now(), dispatches = r.dispatches + case when o.anew then 1 else 0 end
           from (select * from waiting union all select * from expired) o where r.id = o.id
           returning r.id as "id: RequestId", r.tier, r.dispatches"#,
        redispatch_after.as_secs_f64(),
        limit,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| Dispatch { request_id: row.id, tier: row.tier, number: row.dispatches }).collect())
}
