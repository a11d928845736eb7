//! Requests: lookups for the web tier, and the dispatches of sweeper and cancellation.
//!
//! Statements about open requests, here, in [`super::accept`] and in [`super::finish`], must cost the same with a
//! backlog of a million, whatever PostgreSQL's statistics say. `finished_at is null` selects the partial indexes of
//! open requests; lookups by id use the primary key instead. `offset 0` is an optimization fence: the lookup of a
//! conversation's other requests stays one, instead of becoming a join with everything open.

use sqlx::{PgExecutor, Result, types::Json};
use troupe_core::{
    ids::{ConversationId, MessageId, RequestId, UserId},
    jobs::Dispatch,
    model::{Message, NumberedTry, Request, RequestStatus, Role, Usage, grounding::Grounding, providers::Incomplete},
    problem::Problem,
};

use super::accept::Limits;

pub async fn find(db: impl PgExecutor<'_>, user: UserId, id: RequestId) -> Result<Option<Request>> {
    let row = sqlx::query!(
        r#"select r.id as "id: RequestId", r.conversation_id as "conversation_id: ConversationId",
               r.status as "status: RequestStatus", r.attempt, coalesce(q.id, r.question_id) as "message_id!: MessageId",
               a.id as "reply_id?: MessageId", a.content as "reply_content?", a.created_at as "reply_at?",
               r.incomplete as "incomplete: Incomplete", r.error as "error: Json<Problem>", r.usage as "usage: Json<Usage>",
               r.provider, r.model, r.position, r.branch,
               (select jsonb_agg(t.tried || jsonb_build_object('attempt', h.number) order by h.number, t.place)
                from attempt_history h, jsonb_array_elements(h.trail) with ordinality as t (tried, place)
                where h.request_id = r.id) as "tries: Json<Vec<NumberedTry>>",
               r.retrieval as "retrieval: Json<Grounding>",
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
                turn: row.position,
                branch: row.branch,
                variants: Vec::new(),
                outcome: None,
            }),
            _ => None,
        },
        incomplete: row.incomplete,
        error: row.error.map(|Json(error)| error),
        usage: row.usage.map(|Json(usage)| usage),
        provider: row.provider,
        model: row.model,
        tries: row.tries.map(|Json(tries)| tries).unwrap_or_default(),
        retrieval: row.retrieval.map(|Json(retrieval)| retrieval),
        created_at: row.created_at,
        started_at: row.started_at,
        finished_at: row.finished_at,
    }))
}

/// A request that is not final.
#[derive(Debug, Clone)]
pub struct Open {
    pub id: RequestId,
    pub conversation_id: ConversationId,
    pub status: RequestStatus,
    pub attempt: i32,
    pub branch: i32,
}

/// A user's open requests, oldest first.
pub async fn open_for_user(db: impl PgExecutor<'_>, user: UserId) -> Result<Vec<Open>> {
    sqlx::query_as!(
        Open,
        r#"select id as "id: RequestId", conversation_id as "conversation_id: ConversationId",
               status as "status: RequestStatus", attempt, branch
           from requests where user_id = $1 and finished_at is null order by position limit 200"#,
        user.as_uuid(),
    )
    .fetch_all(db)
    .await
}

/// Sweeps up to `max` requests that are due; returns the jobs that must be pushed.
///
/// A running one has an expired lease: the attempt is lost, and the request is queued again. A queued one is
/// dispatched: as a new job where its backoff is over or its turn has come, as the same job where that was not claimed.
/// One that still waits its turn, in the conversation or behind the user's limit, is swept again later.
pub async fn sweep_due(db: impl PgExecutor<'_>, limits: Limits, max: i64) -> Result<Vec<Dispatch>> {
    let rows = sqlx::query!(
        r#"with due as (
               select id, user_id, position, status, attempt, worker, started_at, dispatched_at is not null as with_workers,
                   not exists (select 1 from requests e
                               where e.user_id = d.user_id and e.conversation_id = d.conversation_id
                                 and e.finished_at is null and e.position < d.position offset 0) as foremost
               from requests d where due_at < now()
               order by due_at limit $2 for update skip locked
           ), newcomers as (
               select id, row_number() over (partition by user_id order by position) + (
                   select count(o.dispatched_at) from requests o where o.user_id = d.user_id and o.finished_at is null) <= $3 as first
               from due d where foremost and not with_workers
           ), turn as (
               select d.*, foremost and (with_workers or coalesce(n.first, false)) as first
               from due d left join newcomers n using (id)
           ), lost as (
               insert into attempts (request_id, number, worker, started_at, outcome)
               select id, attempt, worker, started_at, 'lost' from due where status = 'in_progress'
           ), looked_at as (
               update requests r set status = 'queued', worker = null, due_at = now() + make_interval(secs => $1),
                   not_before = least(r.not_before, now()), shown = r.shown or d.status = 'in_progress',
                   dispatched_at = case when d.first then now() end,
                   dispatches = r.dispatches
                       + case when d.first and (d.status = 'in_progress' or not d.with_workers) then 1 else 0 end
               from turn d where r.id = d.id
               returning r.id, r.tier, r.dispatches, d.first
           )
           select id as "id: RequestId", tier, dispatches from looked_at where first"#,
        limits.redispatch_after.as_secs_f64(),
        max,
        i64::from(limits.at_once),
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| Dispatch { request_id: row.id, tier: row.tier, number: row.dispatches }).collect())
}

/// Dispatches the user's requests whose turn has come, where one has ended without a [`super::finish::finish`].
pub async fn release(db: impl PgExecutor<'_>, user: UserId, limits: Limits) -> Result<Vec<Dispatch>> {
    let rows = sqlx::query!(
        r#"update requests r set dispatched_at = now(), dispatches = r.dispatches + 1, due_at = now() + make_interval(secs => $2)
           from (
               select q.id from requests q
               where q.user_id = $1 and q.finished_at is null and q.status = 'queued' and q.dispatched_at is null
                 and q.not_before <= now()
                 and not exists (select 1 from requests e
                                 where e.user_id = q.user_id and e.conversation_id = q.conversation_id
                                   and e.finished_at is null and e.position < q.position offset 0)
               order by q.position
               limit greatest(0, $3 - (select count(o.dispatched_at) from requests o
                                       where o.user_id = $1 and o.finished_at is null))
               for update skip locked) q
           where r.id = q.id and r.status = 'queued'
           returning r.id as "id: RequestId", r.tier, r.dispatches"#,
        user.as_uuid(),
        limits.redispatch_after.as_secs_f64(),
        i64::from(limits.at_once),
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| Dispatch { request_id: row.id, tier: row.tier, number: row.dispatches }).collect())
}
