//! Dead letters: requests that failed for good. Each is resolved once (`settled_at`), by a redrive or by being
//! discarded, in one statement: of two concurrent calls the second changes nothing.

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, PgPool, Result, types::Json};
use troupe_core::{
    ids::{ConversationId, MessageId, RequestId, UserId},
    jobs::Dispatch,
    model::{
        Message, Role, Usage,
        admin::{Attempt, DeadLetter, Tokens},
        providers::Try,
    },
    problem::Problem,
};
use uuid::Uuid;

use super::accept::{FIRST_SWEEP_DELAY, Limits};
use crate::Page;

/// Rows that one statement filters.
const WINDOW_ROWS: i64 = 1_000;

/// All conditions that are given must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub ids: Option<Vec<RequestId>>,
    pub tier: Option<String>,
    pub user: Option<UserId>,
    /// A persona's slug.
    pub persona: Option<String>,
    /// Of the user's error.
    pub code: Option<String>,
    /// A substring of the cause, case-insensitive.
    pub cause: Option<String>,
    /// Of the failure.
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
}

struct Row {
    id: RequestId,
    conversation_id: ConversationId,
    user_id: UserId,
    tier: String,
    persona: String,
    question_length: i32,
    attempts: i32,
    error: Json<Problem>,
    cause: Option<String>,
    correlation_id: String,
    created_at: DateTime<Utc>,
    failed_at: DateTime<Utc>,
    redrive_of: Option<RequestId>,
    settled_at: Option<DateTime<Utc>>,
    redriven_as: Option<RequestId>,
    prompt_tokens: i64,
    completion_tokens: i64,
}

impl From<Row> for DeadLetter {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            conversation_id: row.conversation_id,
            user_id: row.user_id,
            tier: row.tier,
            persona: row.persona,
            question_length: row.question_length,
            attempts: row.attempts,
            error: row.error.0,
            cause: row.cause,
            correlation_id: row.correlation_id,
            created_at: row.created_at,
            failed_at: row.failed_at,
            redrive_of: row.redrive_of,
            settled_at: row.settled_at,
            redriven_as: row.redriven_as,
            estimate: Tokens { prompt_tokens: row.prompt_tokens, completion_tokens: row.completion_tokens },
        }
    }
}

/// The unresolved ones, newest first: filtered a window at a time, so that a selective filter costs many small
/// statements and not one that times out.
pub async fn list(db: &PgPool, filter: &Filter, page: Page<RequestId>) -> Result<Vec<DeadLetter>> {
    let mut found = Vec::new();
    let mut after = page.after;
    loop {
        let window = unresolved(db, after, filter.ids.as_deref()).await?;
        found.extend(filtered(db, &window, filter, page.limit - found.len() as i64).await?);
        if window.len() < WINDOW_ROWS as usize || found.len() as i64 >= page.limit {
            return Ok(found);
        }
        after = window.last().copied();
    }
}

/// The next window, of all or `among` these.
async fn unresolved(
    db: impl PgExecutor<'_>,
    after: Option<RequestId>,
    among: Option<&[RequestId]>,
) -> Result<Vec<RequestId>> {
    let after = after.map_or(Uuid::max(), RequestId::as_uuid);
    if let Some(ids) = among {
        let mut ids: Vec<_> = ids.iter().copied().filter(|id| id.as_uuid() < after).collect();
        ids.sort_unstable_by(|one, other| other.cmp(one));
        ids.truncate(WINDOW_ROWS as usize);
        return Ok(ids);
    }
    sqlx::query_scalar!(
        r#"select id as "id: RequestId" from requests where status = 'failed' and settled_at is null and id < $1
           order by id desc limit $2"#,
        after,
        WINDOW_ROWS,
    )
    .fetch_all(db)
    .await
}

async fn filtered(db: &PgPool, window: &[RequestId], filter: &Filter, limit: i64) -> Result<Vec<DeadLetter>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id as "id!: RequestId", conversation_id as "conversation_id!: ConversationId",
               user_id as "user_id!: UserId", tier as "tier!", persona as "persona!",
               coalesce(question_length, 0) as "question_length!", attempt as "attempts!", error as "error!: Json<Problem>",
               cause, correlation_id as "correlation_id!", created_at as "created_at!", finished_at as "failed_at!",
               redrive_of as "redrive_of?: RequestId", settled_at, redriven_as as "redriven_as?: RequestId", prompt_tokens as "prompt_tokens!",
               completion_tokens as "completion_tokens!"
           from failed_requests
           where id = any($1) and status = 'failed' and settled_at is null
             and ($2::text is null or tier = $2) and ($3::uuid is null or user_id = $3)
             and ($4::text is null or persona = $4) and ($5::text is null or error->>'code' = $5)
             and ($6::text is null or position(lower($6) in lower(cause)) > 0)
             and ($7::timestamptz is null or finished_at >= $7) and ($8::timestamptz is null or finished_at < $8)
           order by id desc limit $9"#,
        &uuids(window),
        filter.tier.as_deref(),
        filter.user.map(UserId::as_uuid),
        filter.persona.as_deref(),
        filter.code.as_deref(),
        filter.cause.as_deref(),
        filter.since,
        filter.until,
        limit,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Resolved or not.
pub async fn find(db: impl PgExecutor<'_>, id: RequestId) -> Result<Option<DeadLetter>> {
    let row = sqlx::query_as!(
        Row,
        r#"select id as "id!: RequestId", conversation_id as "conversation_id!: ConversationId",
               user_id as "user_id!: UserId", tier as "tier!", persona as "persona!",
               coalesce(question_length, 0) as "question_length!", attempt as "attempts!", error as "error!: Json<Problem>",
               cause, correlation_id as "correlation_id!", created_at as "created_at!", finished_at as "failed_at!",
               redrive_of as "redrive_of?: RequestId", settled_at, redriven_as as "redriven_as?: RequestId", prompt_tokens as "prompt_tokens!",
               completion_tokens as "completion_tokens!"
           from failed_requests where id = $1 and status = 'failed'"#,
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(Into::into))
}

/// The ended attempts at a request, in order.
pub async fn attempts(db: impl PgExecutor<'_>, id: RequestId) -> Result<Vec<Attempt>> {
    let rows = sqlx::query!(
        r#"select number as "number!", worker as "worker!", started_at as "started_at!", finished_at as "finished_at!",
               outcome as "outcome!", cause, usage as "usage: Json<Usage>", provider, model,
               trail as "trail: Json<Vec<Try>>"
           from attempt_history where request_id = $1 order by number"#,
        id.as_uuid(),
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Attempt {
            number: row.number,
            worker: row.worker,
            started_at: row.started_at,
            finished_at: row.finished_at,
            outcome: row.outcome,
            cause: row.cause,
            usage: row.usage.map(|Json(usage)| usage),
            provider: row.provider,
            model: row.model,
            tries: row.trail.map(|Json(trail)| trail).unwrap_or_default(),
        })
        .collect())
}

/// The number of unresolved ones, up to `at_most`.
pub async fn count(db: impl PgExecutor<'_>, at_most: i64) -> Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!"
           from (select id from requests where status = 'failed' and settled_at is null order by id limit $1) dead"#,
        at_most,
    )
    .fetch_one(db)
    .await
}

/// A dead letter that was redriven.
#[derive(Debug, Clone)]
pub struct Redriven {
    pub dead_letter: RequestId,
    pub user_id: UserId,
    /// It belongs to the new request now.
    pub question: Message,
    pub created_at: DateTime<Utc>,
    /// `None` while it waits for others of the conversation, or of the user.
    pub dispatch: Option<Dispatch>,
}

/// Redrives dead letters, all in one statement: a new request each, at the end of its conversation, which takes over
/// the question. Resolved ones are skipped. Of the limits only `at_once` applies, not `open`: an admin has decided.
pub async fn redrive(
    db: impl PgExecutor<'_>,
    dead_letters: &[RequestId],
    correlation_id: &str,
    limits: Limits,
) -> Result<Vec<Redriven>> {
    let new: Vec<_> = dead_letters.iter().map(|_| RequestId::new().as_uuid()).collect();
    let rows = sqlx::query!(
        r#"with wanted as (
               select * from unnest($1::uuid[], $2::uuid[]) with ordinality as w (old, new, place)
           ), settled as (
               update requests r set settled_at = now(), redriven_as = w.new,
                   question_id = (select id from messages where request_id = r.id and role = 'user')
               from wanted w where r.id = w.old and r.status = 'failed' and r.settled_at is null
               returning r.id, r.conversation_id, r.user_id, r.question_id, r.redriven_as, r.fresh, r.branch, r.repeats, r.continues,
                   r.caller_options, w.place
           ), owned as (
               select s.*, u.tier,
                   not mine.busy and row_number() over (partition by s.conversation_id order by s.place) = 1
                       and mine.with_workers + row_number() over (partition by s.user_id order by s.place) <= $5 as first
               from settled s join users u on u.id = s.user_id
               cross join lateral (
                   select count(o.dispatched_at) as with_workers,
                       coalesce(bool_or(o.conversation_id = s.conversation_id), false) as busy
                   from requests o where o.user_id = s.user_id and o.finished_at is null) mine
           ), request as (
               insert into requests (id, conversation_id, user_id, tier, correlation_id, due_at, dispatched_at, dispatches,
                   redrive_of, fresh, branch, repeats, continues, caller_options)
               select redriven_as, conversation_id, user_id, tier, $3,
                   now() + make_interval(secs => case when first then $4::float8 else least($4::float8, $6::float8) end),
                   case when first then now() end, case when first then 1 else 0 end, id, fresh, branch, repeats, continues,
                   caller_options #- '{response,last_sequence_number}'
               from owned order by place
               returning id, position, branch, tier, dispatches, created_at, redrive_of
           ), question as (
               update messages m set request_id = r.id, turn = r.position, position = default
               from request r join owned o on o.redriven_as = r.id where m.id = o.question_id
               returning m.id, m.conversation_id, m.request_id, m.content, m.created_at
           ), place as (
               update branches b set
                   replaces = coalesce((select redriven_as from settled where id = b.replaces), b.replaces),
                   opened_by = coalesce((select redriven_as from settled where id = b.opened_by), b.opened_by)
               where b.conversation_id in (select conversation_id from settled)
                 and exists (select from settled where id in (b.replaces, b.opened_by))
           )
           select r.id as "id: RequestId", r.position, r.branch, r.redrive_of as "redrive_of!: RequestId", r.tier, r.dispatches, r.created_at,
               o.user_id as "user_id: UserId", q.id as "message_id: MessageId",
               q.conversation_id as "conversation_id: ConversationId", q.content, q.created_at as asked_at
           from request r join owned o on o.redriven_as = r.id join question q on q.request_id = r.id order by o.place"#,
        &uuids(dead_letters),
        &new,
        correlation_id,
        limits.redispatch_after.as_secs_f64(),
        i64::from(limits.at_once),
        FIRST_SWEEP_DELAY.as_secs_f64(),
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Redriven {
            dead_letter: row.redrive_of,
            user_id: row.user_id,
            question: Message {
                id: row.message_id,
                conversation_id: row.conversation_id,
                request_id: row.id,
                role: Role::User,
                content: row.content,
                created_at: row.asked_at,
                turn: row.position,
                branch: row.branch,
                variants: Vec::new(),
                outcome: None,
            },
            created_at: row.created_at,
            dispatch: (row.dispatches > 0).then_some(Dispatch {
                request_id: row.id,
                tier: row.tier,
                number: row.dispatches,
            }),
        })
        .collect())
}

/// Resolves dead letters without a redrive; returns those that were not resolved before, each with its user.
pub async fn discard(db: impl PgExecutor<'_>, dead_letters: &[RequestId]) -> Result<Vec<(RequestId, UserId)>> {
    let rows = sqlx::query!(
        r#"update requests r set settled_at = now() from unnest($1::uuid[]) as unwanted (id)
           where r.id = unwanted.id and r.status = 'failed' and r.settled_at is null
           returning r.id as "id: RequestId", r.user_id as "user_id: UserId""#,
        &uuids(dead_letters),
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.user_id)).collect())
}

fn uuids(ids: &[RequestId]) -> Vec<Uuid> {
    ids.iter().map(|id| id.as_uuid()).collect()
}
