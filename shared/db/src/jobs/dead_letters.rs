//! Dead letters among the jobs: each is resolved once, by a retry or by being discarded, in one statement.

use sqlx::{PgExecutor, Result};
use troupe_core::ids::{JobId, UserId};
use uuid::Uuid;

/// The retention of discarded ones.
const DISCARDED_KEPT: &str = "7 days";

/// A filter; omitted fields match all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub ids: Option<Vec<JobId>>,
    pub kind: Option<String>,
}

/// A resolved dead letter.
#[derive(Debug, Clone)]
pub struct Resolved {
    pub id: JobId,
    pub kind: String,
    pub user_id: Option<UserId>,
}

/// The selected ones, the oldest of each kind first; at most `max_rows` of each.
pub async fn select(db: impl PgExecutor<'_>, filter: &Filter, max_rows: i64) -> Result<Vec<JobId>> {
    let kind = filter.kind.as_deref();
    if let Some(ids) = &filter.ids {
        return sqlx::query_scalar!(
            r#"select id as "id: JobId" from jobs
               where id = any($1) and status = 'failed' and ($2::text is null or kind = $2) order by id limit $3"#,
            &uuids(ids),
            kind,
            max_rows,
        )
        .fetch_all(db)
        .await;
    }
    sqlx::query_scalar!(
        r#"select j.id as "id: JobId" from job_kinds k
           cross join lateral (
               select id from jobs where kind = k.kind and status = 'failed' order by id limit $2) j
           where $1::text is null or k.kind = $1 limit $2"#,
        kind,
        max_rows,
    )
    .fetch_all(db)
    .await
}

/// Retries dead letters as if they were new. Resolved ones are skipped, and those whose key has another open job.
pub async fn retry(db: impl PgExecutor<'_>, ids: &[JobId]) -> Result<Vec<Resolved>> {
    sqlx::query_as!(
        Resolved,
        r#"with wanted as (
               select distinct on (j.kind, coalesce(j.key, j.id::text)) j.id from jobs j
               where j.id = any($1) and j.status = 'failed' and (j.key is null or not exists (
                   select from jobs o where o.kind = j.kind and o.key = j.key and o.finished_at is null))
               order by j.kind, coalesce(j.key, j.id::text), j.id desc
           )
           update jobs j set status = 'waiting', attempt = j.attempt + 1, failures = 0, lapses = 0, due_at = now(),
               finished_at = null, expires_at = null
           from wanted w where j.id = w.id and j.status = 'failed'
           returning j.id as "id: JobId", j.kind, j.user_id as "user_id: UserId""#,
        &uuids(ids),
    )
    .fetch_all(db)
    .await
}

/// Discards dead letters; returns those that were not resolved before.
pub async fn discard(db: impl PgExecutor<'_>, ids: &[JobId]) -> Result<Vec<Resolved>> {
    sqlx::query_as!(
        Resolved,
        r#"update jobs set status = 'discarded', expires_at = now() + ($2::text)::interval
           where id = any($1) and status = 'failed'
           returning id as "id: JobId", kind, user_id as "user_id: UserId""#,
        &uuids(ids),
        DISCARDED_KEPT,
    )
    .fetch_all(db)
    .await
}

fn uuids(ids: &[JobId]) -> Vec<Uuid> {
    ids.iter().map(|id| id.as_uuid()).collect()
}
