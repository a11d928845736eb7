//! The ends of attempts, and the renewal of their leases: finish, retry, hand back.
//!
//! Fencing: every statement carries the attempt's number as its token. One of a superseded attempt changes nothing and
//! returns that, so a worker that was frozen or partitioned does no harm when it resumes.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, Result, types::Json};
use troupe_core::{
    ids::{MessageId, RequestId},
    jobs::Dispatch,
    model::{
        RequestStatus, Usage,
        grounding::Grounding,
        providers::{Incomplete, Try},
    },
    problem::Problem,
};
use uuid::Uuid;

/// Renews the leases of running attempts (the heartbeat); returns those that still hold. The others are lost.
pub async fn renew(db: impl PgExecutor<'_>, running: &[(RequestId, i32)], lease: Duration) -> Result<Vec<RequestId>> {
    let (ids, attempts): (Vec<_>, Vec<_>) = running.iter().map(|(id, attempt)| (id.as_uuid(), *attempt)).unzip();
    sqlx::query_scalar!(
        r#"update requests r set due_at = now() + make_interval(secs => $3)
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

/// The last attempt at a request, and the final state that it brings.
#[derive(Debug, Clone)]
pub struct Finished {
    pub request_id: RequestId,
    pub attempt: i32,
    /// Of this attempt.
    pub cost: f64,
    pub trail: Vec<Try>,
    pub state: FinalState,
}

#[derive(Debug, Clone)]
pub enum FinalState {
    Completed(Reply),
    /// The error is for the user, the cause for operators.
    Failed {
        error: Problem,
        cause: String,
    },
}

#[derive(Debug, Clone)]
pub struct Reply {
    pub message_id: MessageId,
    pub content: String,
    pub usage: Usage,
    pub provider: String,
    pub model: String,
    pub incomplete: Option<Incomplete>,
    pub retrieval: Option<Grounding>,
}

/// The result of finishing a request.
#[derive(Debug, Clone)]
pub struct Ended {
    pub at: DateTime<Utc>,
    /// The requests of the user that it released: the conversation's next, or those beyond the limit.
    pub next: Vec<Dispatch>,
}

/// The columns of [`finish`]'s statement.
#[derive(Default)]
struct Columns<'a> {
    ids: Vec<Uuid>,
    attempts: Vec<i32>,
    costs: Vec<f64>,
    trails: Vec<Json<&'a [Try]>>,
    statuses: Vec<RequestStatus>,
    message_ids: Vec<Option<Uuid>>,
    contents: Vec<Option<&'a str>>,
    usages: Vec<Option<Json<Usage>>>,
    providers: Vec<Option<&'a str>>,
    models: Vec<Option<&'a str>>,
    incompletes: Vec<Option<Incomplete>>,
    retrievals: Vec<Option<Json<&'a Grounding>>>,
    errors: Vec<Option<Json<&'a Problem>>>,
    causes: Vec<Option<&'a str>>,
}

impl<'a> FromIterator<&'a Finished> for Columns<'a> {
    fn from_iter<I: IntoIterator<Item = &'a Finished>>(finished: I) -> Self {
        let mut columns = Self::default();
        for Finished { request_id, attempt, cost, trail, state } in finished {
            columns.ids.push(request_id.as_uuid());
            columns.attempts.push(*attempt);
            columns.costs.push(*cost);
            columns.trails.push(Json(trail));
            let (status, reply, failure) = match state {
                FinalState::Completed(reply) => (RequestStatus::Completed, Some(reply), None),
                FinalState::Failed { error, cause } => (RequestStatus::Failed, None, Some((error, cause))),
            };
            columns.statuses.push(status);
            columns.message_ids.push(reply.map(|reply| reply.message_id.as_uuid()));
            columns.contents.push(reply.map(|reply| reply.content.as_str()));
            columns.usages.push(reply.map(|reply| Json(reply.usage)));
            columns.providers.push(reply.map(|reply| reply.provider.as_str()));
            columns.models.push(reply.map(|reply| reply.model.as_str()));
            columns.incompletes.push(reply.and_then(|reply| reply.incomplete));
            columns.retrievals.push(reply.and_then(|reply| reply.retrieval.as_ref().map(Json)));
            columns.errors.push(failure.map(|(error, _)| Json(error)));
            columns.causes.push(failure.map(|(_, cause)| cause.as_str()));
        }
        columns
    }
}

/// Finishes requests, all in one statement: the reply, the final status, the attempt's record, and the dispatch of the
/// user's next request. `None` for each whose attempt is no longer the running one.
pub async fn finish(
    db: impl PgExecutor<'_>,
    finished: &[Finished],
    redispatch_after: Duration,
) -> Result<Vec<Option<Ended>>> {
    let columns: Columns = finished.iter().collect();
    let rows = sqlx::query!(
        r#"with ending as (
               select * from unnest($1::uuid[], $2::int[], $3::text[], $4::uuid[], $5::text[], $6::jsonb[], $7::text[], $8::text[],
                                    $9::jsonb[], $10::text[], $12::float8[], $13::jsonb[], $14::text[], $15::jsonb[])
                   as e (id, attempt, status, message_id, content, usage, provider, model, error, cause, cost, trail, incomplete,
                         retrieval)
           ), finished as (
               update requests r set status = e.status, finished_at = now(), due_at = null, usage = e.usage,
                   provider = e.provider, model = e.model, error = e.error, cost = r.cost + e.cost, trail = e.trail,
                   incomplete = e.incomplete, retrieval = e.retrieval
               from ending e
               where r.id = e.id and r.attempt = e.attempt and r.status = 'in_progress'
               returning r.id, r.user_id, r.conversation_id, r.position, r.branch, r.attempt, r.worker, r.started_at, r.finished_at
           ), reply as (
               insert into messages (id, conversation_id, request_id, turn, branch, role, content)
               select e.message_id, f.conversation_id, f.id, f.position, f.branch, 'assistant', e.content
               from finished f join ending e on e.id = f.id where e.message_id is not null
           ), record as (
               insert into attempts (request_id, number, worker, started_at, outcome, cause, usage, provider, model, cost, trail)
               select f.id, f.attempt, f.worker, f.started_at, e.status, e.cause, e.usage, e.provider, e.model, e.cost, e.trail
               from finished f join ending e on e.id = f.id where e.status <> 'completed'
           ), next as (
               update requests r set dispatched_at = now(), dispatches = r.dispatches + 1,
                   due_at = now() + make_interval(secs => $11)
               from (select user_id, count(*) as ended, (array_agg(id))[1] as after from finished group by user_id) u
               cross join lateral (
                   select q.id from requests q
                   where q.user_id = u.user_id and q.finished_at is null and q.status = 'queued'
                     and q.dispatched_at is null and q.not_before <= now()
                     and not exists (select 1 from requests e
                                     where e.user_id = q.user_id and e.conversation_id = q.conversation_id
                                       and e.finished_at is null and e.position < q.position
                                       and e.id <> all($1::uuid[]) offset 0)
                   order by q.position limit u.ended for update skip locked) q
               where r.id = q.id and r.status = 'queued'
               returning u.after, r.id, r.tier, r.dispatches
           )
           select f.id as "id!: RequestId", f.finished_at as "finished_at!", n.id as "next_id?: RequestId",
               n.tier as "next_tier?", n.dispatches as "next_dispatches?"
           from finished f left join next n on n.after = f.id"#,
        &columns.ids,
        &columns.attempts,
        &columns.statuses as &[RequestStatus],
        &columns.message_ids as &[Option<Uuid>],
        &columns.contents as &[Option<&str>],
        &columns.usages as &[Option<Json<Usage>>],
        &columns.providers as &[Option<&str>],
        &columns.models as &[Option<&str>],
        &columns.errors as &[Option<Json<&Problem>>],
        &columns.causes as &[Option<&str>],
        redispatch_after.as_secs_f64(),
        &columns.costs,
        &columns.trails as &[Json<&[Try]>],
        &columns.incompletes as &[Option<Incomplete>],
        &columns.retrievals as &[Option<Json<&Grounding>>],
    )
    .fetch_all(db)
    .await?;
    let mut ended: HashMap<RequestId, Ended> = HashMap::with_capacity(finished.len());
    for row in rows {
        let ended = ended.entry(row.id).or_insert_with(|| Ended { at: row.finished_at, next: Vec::new() });
        if let (Some(request_id), Some(tier), Some(number)) = (row.next_id, row.next_tier, row.next_dispatches) {
            ended.next.push(Dispatch { request_id, tier, number });
        }
    }
    Ok(finished.iter().map(|finished| ended.remove(&finished.request_id)).collect())
}

/// When this attempt finished the request, if it did.
pub async fn finished_at(db: impl PgExecutor<'_>, id: RequestId, attempt: i32) -> Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar!(
        r#"select finished_at as "finished_at!" from requests where id = $1 and attempt = $2 and finished_at is not null"#,
        id.as_uuid(),
        attempt,
    )
    .fetch_optional(db)
    .await
}

/// State handed from a failed attempt to its retry.
#[derive(Debug, Clone)]
pub struct Retry<'a> {
    /// The backoff.
    pub pause: Duration,
    /// Clients may have seen text that must be reset.
    pub shown: bool,
    /// For operators.
    pub cause: &'a str,
    /// Of the attempt.
    pub cost: f64,
    pub trail: &'a [Try],
    /// Whether the attempt counts against `worker.max_attempts`.
    pub counts: bool,
}

/// Queues a request for a retry after a pause; the sweeper dispatches it when it is due. `false` where the attempt is
/// no longer the running one.
pub async fn retry(db: impl PgExecutor<'_>, id: RequestId, attempt: i32, retry: Retry<'_>) -> Result<bool> {
    let done = sqlx::query!(
        r#"with returned as (
               update requests set status = 'queued', worker = null, dispatched_at = null, shown = shown or $4, cost = cost + $6,
                   not_before = now() + make_interval(secs => $3), due_at = now() + make_interval(secs => $3),
                   waits = waits + case when $8 then 0 else 1 end
               where id = $1 and attempt = $2 and status = 'in_progress'
               returning id
           )
           insert into attempts (request_id, number, worker, started_at, outcome, cause, cost, trail)
           select q.id, q.attempt, q.worker, q.started_at, 'retried', $5, $6, $7 from requests q join returned using (id)"#,
        id.as_uuid(),
        attempt,
        retry.pause.as_secs_f64(),
        retry.shown,
        retry.cause,
        retry.cost,
        Json(retry.trail) as Json<&[Try]>,
        retry.counts,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// State handed from an attempt whose worker stops to the next one.
#[derive(Debug, Clone)]
pub struct HandBack<'a> {
    pub shown: bool,
    pub cost: f64,
    pub trail: &'a [Try],
    pub redispatch_after: Duration,
}

/// Hands a running request back because its worker stops: it is dispatched at once, and the attempt does not count.
/// Returns what is to be pushed; `None` where the attempt is no longer the running one.
pub async fn hand_back(
    db: impl PgExecutor<'_>,
    id: RequestId,
    attempt: i32,
    back: HandBack<'_>,
) -> Result<Option<Dispatch>> {
    let row = sqlx::query!(
        r#"with returned as (
               update requests set status = 'queued', worker = null, shown = shown or $3, cost = cost + $4, not_before = now(),
                   waits = waits + 1, dispatched_at = now(), dispatches = dispatches + 1, due_at = now() + make_interval(secs => $5)
               where id = $1 and attempt = $2 and status = 'in_progress'
               returning id, tier, dispatches
           ), record as (
               insert into attempts (request_id, number, worker, started_at, outcome, cause, cost, trail)
               select q.id, q.attempt, q.worker, q.started_at, 'retried', 'its worker was stopped', $4, $6
               from requests q join returned using (id)
           )
           select tier, dispatches from returned"#,
        id.as_uuid(),
        attempt,
        back.shown,
        back.cost,
        back.redispatch_after.as_secs_f64(),
        Json(back.trail) as Json<&[Try]>,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Dispatch { request_id: id, tier: row.tier, number: row.dispatches }))
}
