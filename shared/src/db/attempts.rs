//! Attempts: what a worker does to a request, fenced by the attempt's number.
//!
//! A statement of an attempt that is no longer the running one changes nothing and says so: a worker that was frozen, cut
//! off or given up for dead can do no harm when it comes back.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::{PgExecutor, Result, types::Json};

use crate::{
    ids::{ConversationId, MessageId, RequestId, UserId},
    jobs::Dispatch,
    model::{Role, Usage},
    problem::Problem,
};

/// One turn of a conversation, as a model is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Turn {
    pub role: Role,
    pub content: String,
}

/// A request that is this worker's to answer, with all that the prompt needs.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub request_id: RequestId,
    pub conversation_id: ConversationId,
    pub user_id: UserId,
    pub tier: String,
    /// The fencing token.
    pub attempt: i32,
    /// Clients may have seen text of an earlier attempt.
    pub shown: bool,
    pub correlation_id: String,
    pub created_at: DateTime<Utc>,
    pub user_name: String,
    pub persona_name: String,
    pub system_prompt: String,
    pub temperature: f32,
    pub model: Option<String>,
    /// The newest turns, the newest first; the one to be answered is the first.
    pub history: Vec<Turn>,
}

/// Takes a request for an attempt. `None` where there is nothing to do: it is final, leased to a living attempt, not due, or
/// an earlier message of its conversation comes first.
pub async fn claim(
    db: impl PgExecutor<'_>,
    id: RequestId,
    worker: &str,
    lease: Duration,
    history: u32,
) -> Result<Option<Claimed>> {
    let claimed = sqlx::query!(
        r#"with candidate as (
               select id, status, attempt, worker, started_at from requests r
               where id = $1
                 and (status = 'queued' and not_before <= now() or status = 'in_progress' and lease_until < now())
                 and not exists (select 1 from requests e where e.conversation_id = r.conversation_id
                                 and e.status in ('queued', 'in_progress') and e.position < r.position)
               for update
           ), claimed as (
               update requests r set status = 'in_progress', attempt = r.attempt + 1, worker = $2,
                   lease_until = now() + make_interval(secs => $3), started_at = now(),
                   shown = r.shown or c.status = 'in_progress'
               from candidate c where r.id = c.id
               returning r.id, r.position, r.conversation_id, r.user_id, r.tier, r.attempt, r.shown, r.correlation_id, r.created_at
           ), lost as (
               insert into attempts (request_id, number, worker, started_at, outcome)
               select id, attempt, worker, started_at, 'lost' from candidate where status = 'in_progress'
           )
           select r.conversation_id as "conversation_id: ConversationId", r.user_id as "user_id: UserId", r.tier, r.attempt, r.shown,
               r.correlation_id, r.created_at, u.name as user_name, p.name as persona_name, p.system_prompt, p.temperature, p.model,
               (select json_agg(json_build_object('role', t.role, 'content', t.content) order by t.turn desc, t.position desc)
                from (select m.role, m.content, m.turn, m.position from messages m
                      where m.conversation_id = r.conversation_id and m.turn <= r.position
                      order by m.position desc limit $4) t) as "history!: Json<Vec<Turn>>"
           from claimed r
           join users u on u.id = r.user_id
           join conversations c on c.id = r.conversation_id
           join personas p on p.id = c.persona_id"#,
        id.as_uuid(),
        worker,
        lease.as_secs_f64(),
        i64::from(history),
    )
    .fetch_optional(db)
    .await;
    match claimed {
        Ok(row) => Ok(row.map(|row| Claimed {
            request_id: id,
            conversation_id: row.conversation_id,
            user_id: row.user_id,
            tier: row.tier,
            attempt: row.attempt,
            shown: row.shown,
            correlation_id: row.correlation_id,
            created_at: row.created_at,
            user_name: row.user_name,
            persona_name: row.persona_name,
            system_prompt: row.system_prompt,
            temperature: row.temperature,
            model: row.model,
            history: row.history.0,
        })),
        // A later message of the conversation got ahead: it was committed first. Its end releases this one.
        Err(error) if super::violated_constraint(&error) == Some("requests_running_key") => Ok(None),
        Err(error) => Err(error),
    }
}

/// Prolongs the leases of running attempts; returns those that still hold. The others are over.
pub async fn renew(db: impl PgExecutor<'_>, running: &[(RequestId, i32)], lease: Duration) -> Result<Vec<RequestId>> {
    let (ids, attempts): (Vec<_>, Vec<_>) = running.iter().map(|(id, attempt)| (id.as_uuid(), *attempt)).unzip();
    sqlx::query_scalar!(
        r#"update requests r set lease_until = now() + make_interval(secs => $3)
           from unnest($1::uuid[], $2::int[]) as mine (id, attempt)
           where r.id = mine.id and r.attempt = mine.attempt and r.status = 'in_progress'
           returning r.id as "id: RequestId""#,
        &ids,
        &attempts,
        lease.as_secs_f64(),
    )
    .fetch_all(db)
    .await
}

/// How a request ends.
#[derive(Debug, Clone)]
pub enum Ending<'a> {
    Completed {
        message_id: MessageId,
        content: &'a str,
        usage: Usage,
        provider: &'a str,
        model: &'a str,
    },
    /// What the user is told, and what operators are.
    Failed {
        error: &'a Problem,
        cause: &'a str,
    },
}

/// What ending it brought about.
#[derive(Debug, Clone)]
pub struct Ended {
    pub at: DateTime<Utc>,
    /// The next message of the conversation, whose turn it is now.
    pub next: Option<Dispatch>,
}

/// Ends a request for good, in one statement: the reply, the final status, the attempt's record, and the turn of the next.
/// `None` where the attempt is no longer the running one.
pub async fn finish(
    db: impl PgExecutor<'_>,
    id: RequestId,
    attempt: i32,
    ending: &Ending<'_>,
) -> Result<Option<Ended>> {
    let (status, reply, usage, provider, model, failure) = match *ending {
        Ending::Completed { message_id, content, usage, provider, model } => {
            ("completed", Some((message_id.as_uuid(), content)), Some(Json(usage)), Some(provider), Some(model), None)
        }
        Ending::Failed { error, cause } => ("failed", None, None, None, None, Some((Json(error), cause))),
    };
    let row = sqlx::query!(
        r#"with finished as (
               update requests set status = $3, finished_at = now(), lease_until = null, usage = $6, provider = $7, model = $8,
                   error = $9
               where id = $1 and attempt = $2 and status = 'in_progress'
               returning id, conversation_id, position, attempt, worker, started_at, finished_at
           ), reply as (
               insert into messages (id, conversation_id, request_id, turn, role, content)
               select $4, conversation_id, id, position, 'assistant', $5 from finished where $4::uuid is not null
           ), record as (
               insert into attempts (request_id, number, worker, started_at, outcome, cause, usage, provider, model)
               select id, attempt, worker, started_at, $3, $10, $6, $7, $8 from finished
           ), next as (
               update requests set dispatched_at = now(), dispatches = dispatches + 1
               where id = (select q.id from requests q, finished f
                           where q.conversation_id = f.conversation_id and q.status = 'queued' and q.not_before <= now()
                           order by q.position limit 1)
               returning id, tier, dispatches
           )
           select f.finished_at as "finished_at!", n.id as "next_id?: RequestId", n.tier as "next_tier?",
               n.dispatches as "next_dispatches?"
           from finished f left join next n on true"#,
        id.as_uuid(),
        attempt,
        status,
        reply.map(|(message_id, _)| message_id),
        reply.map(|(_, content)| content),
        usage as Option<Json<Usage>>,
        provider,
        model,
        failure.map(|(error, _)| error) as Option<Json<&Problem>>,
        failure.map(|(_, cause)| cause),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Ended {
        at: row.finished_at,
        next: match (row.next_id, row.next_tier, row.next_dispatches) {
            (Some(request_id), Some(tier), Some(number)) => Some(Dispatch { request_id, tier, number }),
            _ => None,
        },
    }))
}

/// What an attempt leaves to the next one.
#[derive(Debug, Clone, Copy)]
pub struct GivenBack<'a> {
    /// How long to wait before it.
    pub pause: Duration,
    /// Clients may have seen text that must be taken back.
    pub shown: bool,
    /// For operators.
    pub cause: &'a str,
}

/// Gives a request back for another attempt after a pause; the sweeper hands it over when it is due. `false` where the
/// attempt is no longer the running one.
pub async fn give_back(db: impl PgExecutor<'_>, id: RequestId, attempt: i32, back: GivenBack<'_>) -> Result<bool> {
    let done = sqlx::query!(
        r#"with returned as (
               update requests set status = 'queued', worker = null, lease_until = null, dispatched_at = null,
                   not_before = now() + make_interval(secs => $3), shown = shown or $4
               where id = $1 and attempt = $2 and status = 'in_progress'
               returning id
           )
           insert into attempts (request_id, number, worker, started_at, outcome, cause)
           select q.id, q.attempt, q.worker, q.started_at, 'retried', $5 from requests q join returned using (id)"#,
        id.as_uuid(),
        attempt,
        back.pause.as_secs_f64(),
        back.shown,
        back.cause,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}
