//! Requests as the web tier and the sweeper see them: accepted, looked at, handed to the queue.
//!
//! Statements about open requests, here and in [`super::attempts`], must cost the same with a backlog of a million, whatever
//! PostgreSQL's statistics remember. `finished_at is null` gives them the indexes of open requests; whoever has an id does
//! without, and finds it by the primary key. `offset 0` keeps a look at the other requests of a conversation what it is,
//! instead of a join with everything open.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, Result, types::Json};
use uuid::Uuid;

use crate::{
    ids::{ConversationId, MessageId, RequestId, UserId},
    jobs::Dispatch,
    model::{Message, Request, RequestStatus, Role, Usage},
    problem::Problem,
};

/// A message to be stored, and the request that will answer it.
#[derive(Debug, Clone)]
pub struct NewMessage {
    pub request_id: RequestId,
    pub message_id: MessageId,
    pub conversation_id: ConversationId,
    pub user_id: UserId,
    pub content: String,
    pub correlation_id: String,
}

/// What was stored.
#[derive(Debug, Clone)]
pub struct Accepted {
    pub created_at: DateTime<Utc>,
    /// Absent while an earlier message of the conversation waits for its reply.
    pub dispatch: Option<Dispatch>,
}

/// Stores messages and their requests, all in one statement; `None` for each whose user has no such conversation.
pub async fn accept(
    db: impl PgExecutor<'_>,
    new: &[NewMessage],
    redispatch_after: Duration,
) -> Result<Vec<Option<Accepted>>> {
    let ids = |id: fn(&NewMessage) -> Uuid| new.iter().map(id).collect::<Vec<_>>();
    let texts = |text: fn(&NewMessage) -> &String| new.iter().map(|new| text(new).clone()).collect::<Vec<_>>();
    let rows = sqlx::query!(
        r#"with new as (
               select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[]) with ordinality
                   as n (request_id, message_id, conversation_id, user_id, content, correlation_id, place)
           ), owned as (
               select n.*, u.tier,
                   row_number() over (partition by n.conversation_id order by n.place) > 1 or exists (
                       select 1 from requests o where o.user_id = n.user_id and o.conversation_id = n.conversation_id
                                                  and o.finished_at is null offset 0) as busy
               from new n
               join conversations c on c.id = n.conversation_id and c.user_id = n.user_id
               join users u on u.id = n.user_id
           ), request as (
               insert into requests (id, conversation_id, user_id, tier, correlation_id, due_at, dispatched_at, dispatches)
               select request_id, conversation_id, user_id, tier, correlation_id, now() + make_interval(secs => $7),
                   case when not busy then now() end, case when busy then 0 else 1 end
               from owned order by place
               returning id, position, tier, dispatches, created_at
           ), message as (
               insert into messages (id, conversation_id, request_id, turn, role, content)
               select n.message_id, n.conversation_id, r.id, r.position, 'user', n.content
               from request r join new n on n.request_id = r.id order by n.place
           )
           select id as "id: RequestId", tier, dispatches, created_at from request"#,
        &ids(|new| new.request_id.as_uuid()),
        &ids(|new| new.message_id.as_uuid()),
        &ids(|new| new.conversation_id.as_uuid()),
        &ids(|new| new.user_id.as_uuid()),
        &texts(|new| &new.content),
        &texts(|new| &new.correlation_id),
        redispatch_after.as_secs_f64(),
    )
    .fetch_all(db)
    .await?;
    let accepted = |id| {
        let row = rows.iter().find(|row| row.id == id)?;
        let dispatch = Dispatch { request_id: id, tier: row.tier.clone(), number: row.dispatches };
        Some(Accepted { created_at: row.created_at, dispatch: (row.dispatches > 0).then_some(dispatch) })
    };
    Ok(new.iter().map(|new| accepted(new.request_id)).collect())
}

pub async fn find(db: impl PgExecutor<'_>, user: UserId, id: RequestId) -> Result<Option<Request>> {
    let row = sqlx::query!(
        r#"select r.id as "id: RequestId", r.conversation_id as "conversation_id: ConversationId",
               r.status as "status: RequestStatus", r.attempt, coalesce(q.id, r.question_id) as "message_id!: MessageId",
               a.id as "reply_id?: MessageId", a.content as "reply_content?", a.created_at as "reply_at?",
               r.error as "error: Json<Problem>", r.usage as "usage: Json<Usage>", r.provider, r.model,
               r.created_at, r.started_at, r.finished_at
           from requests r
           left join messages q on q.request_id = r.id and q.role = 'user'
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
           from requests where user_id = $1 and finished_at is null order by position limit 200"#,
        user.as_uuid(),
    )
    .fetch_all(db)
    .await
}

/// What is open and due: looked at, and told of with the jobs that must be pushed.
///
/// A running one has lost its worker: the attempt is over, and the request is queued again. A queued one is handed over,
/// anew where its pause is over or its turn has come; the same job once more where nobody has taken it up. One that still
/// waits its turn is looked at again later.
pub async fn take_due(db: impl PgExecutor<'_>, redispatch_after: Duration, limit: i64) -> Result<Vec<Dispatch>> {
    let rows = sqlx::query!(
        r#"with due as (
               select id, status, attempt, worker, started_at,
                   status = 'in_progress' or dispatched_at is null as anew,
                   not exists (select 1 from requests e
                               where e.user_id = d.user_id and e.conversation_id = d.conversation_id
                                 and e.finished_at is null and e.position < d.position offset 0) as first
               from requests d where due_at < now()
               order by due_at limit $2 for update skip locked
           ), lost as (
               insert into attempts (request_id, number, worker, started_at, outcome)
               select id, attempt, worker, started_at, 'lost' from due where status = 'in_progress'
           ), looked_at as (
               update requests r set status = 'queued', worker = null, due_at = now() + make_interval(secs => $1),
                   not_before = least(r.not_before, now()), shown = r.shown or d.status = 'in_progress',
                   dispatched_at = case when d.first then now() end,
                   dispatches = r.dispatches + case when d.first and d.anew then 1 else 0 end
               from due d where r.id = d.id
               returning r.id, r.tier, r.dispatches, d.first
           )
           select id as "id: RequestId", tier, dispatches from looked_at where first"#,
        redispatch_after.as_secs_f64(),
        limit,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| Dispatch { request_id: row.id, tier: row.tier, number: row.dispatches }).collect())
}
