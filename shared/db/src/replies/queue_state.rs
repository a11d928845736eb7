//! The state of the queue in PostgreSQL, for admins and gauges. Bounded: each query costs the same with any backlog.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, Result};
use troupe_core::{
    ids::{RequestId, UserId},
    model::{RequestStatus, admin::Running},
};

const MAX_RUNNING: i64 = 2_000;
const MAX_FAILURES: i64 = 10_000;

/// The number of open requests, up to `at_most`.
pub async fn open(db: impl PgExecutor<'_>, at_most: i64) -> Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from (select 1 as one from requests where finished_at is null limit $1) open"#,
        at_most,
    )
    .fetch_one(db)
    .await
}

/// Whether any request of the tier is open.
pub async fn is_waited_for(db: impl PgExecutor<'_>, tier: &str) -> Result<bool> {
    let open = sqlx::query_scalar!(
        r#"select 1 as "one!" from requests where finished_at is null and tier = $1 limit 1"#,
        tier,
    );
    Ok(open.fetch_optional(db).await?.is_some())
}

/// The running attempts, oldest first.
pub async fn running(db: impl PgExecutor<'_>) -> Result<Vec<Running>> {
    let mut running = sqlx::query_as!(
        Running,
        r#"select r.id as "request_id: RequestId", r.user_id as "user_id: UserId", r.tier, p.slug as persona, r.attempt,
               r.started_at as "started_at!", r.due_at as "lease_until!", coalesce(r.worker, '') as "worker!",
               (extract(epoch from r.started_at - r.dispatched_at) * 1000)::bigint as dispatch_lag_ms
           from requests r
           cross join lateral (
               select s.slug from conversations c join personas s on s.id = c.persona_id
               where c.id = r.conversation_id offset 0) p
           where r.status = 'in_progress' and r.finished_at is null limit $1"#,
        MAX_RUNNING,
    )
    .fetch_all(db)
    .await?;
    running.sort_by_key(|running| running.started_at);
    Ok(running)
}

/// The failed requests of each tier within the last minute.
pub async fn failures_of_a_minute(db: impl PgExecutor<'_>) -> Result<HashMap<String, i64>> {
    let rows = sqlx::query!(
        r#"select r.tier, count(*) as "count!"
           from (select request_id from attempts
                 where outcome = 'failed' and finished_at > now() - interval '1 minute' limit $1) failed
           cross join lateral (select tier from requests where id = failed.request_id offset 0) r
           group by r.tier"#,
        MAX_FAILURES,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.tier, row.count)).collect())
}

/// Why a request is not answered yet.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub status: RequestStatus,
    pub user_id: UserId,
    pub tier: String,
    pub attempt: i32,
    pub worker: Option<String>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub not_before: DateTime<Utc>,
    /// Whether `not_before` is in the future, by PostgreSQL's clock.
    pub paused: bool,
    pub dispatched_at: Option<DateTime<Utc>>,
    pub due_at: Option<DateTime<Utc>>,
    pub overdue: bool,
    /// The open request just before it in the conversation.
    pub before: Option<RequestId>,
    /// The user's requests with the queue or the workers.
    pub with_workers: i64,
    /// Its redrive.
    pub redriven_as: Option<RequestId>,
}

pub async fn waiting(db: impl PgExecutor<'_>, id: RequestId) -> Result<Option<Waiting>> {
    sqlx::query_as!(
        Waiting,
        r#"select r.status as "status: RequestStatus", r.user_id as "user_id: UserId", r.tier, r.attempt, r.worker,
               r.created_at, r.started_at, r.finished_at, r.not_before, r.not_before > now() as "paused!",
               r.dispatched_at, r.due_at, coalesce(r.due_at < now(), false) as "overdue!",
               (select count(o.dispatched_at) from requests o where o.user_id = r.user_id and o.finished_at is null)
                   as "with_workers!",
               e.id as "before?: RequestId", r.redriven_as as "redriven_as: RequestId"
           from requests r
           left join lateral (
               select id from requests
               where user_id = r.user_id and conversation_id = r.conversation_id and finished_at is null
                 and position < r.position
               order by position desc limit 1) e on true
           where r.id = $1"#,
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await
}
