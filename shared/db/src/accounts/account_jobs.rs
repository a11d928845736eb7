//! Exports and account deletions: two kinds of job, as shown to users, and the file of an export.
//!
//! Every statement of an attempt is fenced by its number.

use serde::Serialize;
use sqlx::{PgConnection, PgExecutor, Result};
use troupe_core::{
    ids::{AccountJobId, UserId},
    jobs::{DeleteAccount, ExportAccount},
    model::account_data::{AccountJob, AccountJobKind, AccountJobStatus},
};

use crate::jobs::{self, Lease, NewJob};

/// The progress.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Progress {
    pub step: &'static str,
    pub steps_done: i32,
    pub steps: i32,
    pub items: i64,
}

/// Enqueues a job for a worker. `None` where one of the kind is open for this user.
pub async fn start(
    db: &mut PgConnection,
    id: AccountJobId,
    user: UserId,
    kind: AccountJobKind,
) -> Result<Option<AccountJob>> {
    let job = match kind {
        AccountJobKind::Export => NewJob::new(&ExportAccount {}),
        AccountJobKind::Deletion => NewJob::new(&DeleteAccount {}),
    };
    if !jobs::enqueue(&mut *db, &job.with_id(id.as_uuid().into()).one_of(user)).await? {
        return Ok(None);
    }
    find(db, user, id).await
}

/// A job of this user, until it is removed.
pub async fn find(db: impl PgExecutor<'_>, user: UserId, id: AccountJobId) -> Result<Option<AccountJob>> {
    sqlx::query_as!(
        AccountJob,
        r#"select id as "id: AccountJobId", kind as "kind: AccountJobKind",
               case status when 'discarded' then 'failed' else status end as "status!: AccountJobStatus",
               case when finished_at is null then progress->>'step' end as step,
               coalesce((progress->>case status when 'done' then 'steps' else 'steps_done' end)::integer, 0) as "steps_done!",
               coalesce((progress->>'steps')::integer, 0) as "steps!", coalesce((progress->>'items')::bigint, 0) as "items!",
               created_at, finished_at, expires_at
           from jobs
           where id = $1 and user_id = $2 and kind in ('export', 'deletion') and (expires_at is null or expires_at > now())"#,
        id.as_uuid(),
        user.as_uuid(),
    )
    .fetch_optional(db)
    .await
}

/// A deletion of any user: its id is enough to read the progress, since the user cannot sign in any more.
pub async fn find_deletion(db: impl PgExecutor<'_>, id: AccountJobId) -> Result<Option<AccountJob>> {
    sqlx::query_as!(
        AccountJob,
        r#"select id as "id: AccountJobId", kind as "kind: AccountJobKind",
               case status when 'discarded' then 'failed' else status end as "status!: AccountJobStatus",
               case when finished_at is null then progress->>'step' end as step,
               coalesce((progress->>case status when 'done' then 'steps' else 'steps_done' end)::integer, 0) as "steps_done!",
               coalesce((progress->>'steps')::integer, 0) as "steps!", coalesce((progress->>'items')::bigint, 0) as "items!",
               created_at, finished_at, expires_at
           from jobs where id = $1 and kind = 'deletion' and (expires_at is null or expires_at > now())"#,
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await
}

/// Expires the user's earlier exports: only the newest file is kept.
pub async fn forget_exports(db: impl PgExecutor<'_>, user: UserId) -> Result<()> {
    sqlx::query!(
        "update jobs set expires_at = now() where user_id = $1 and kind = 'export' and finished_at is not null",
        user.as_uuid(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Stores a part of an export's file; `false` where another worker has the export.
pub async fn keep_part(db: impl PgExecutor<'_>, lease: Lease, number: i32, content: &[u8]) -> Result<bool> {
    let done = sqlx::query!(
        "insert into export_parts (job_id, attempt, number, content)
         select id, attempt, $3, $4 from jobs where id = $1 and attempt = $2 and status = 'running'",
        lease.job.as_uuid(),
        lease.attempt,
        number,
        content,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Removes the parts that earlier attempts have written; returns their number.
pub async fn remove_earlier_parts(db: impl PgExecutor<'_>, lease: Lease, max_rows: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from export_parts p using (
             select job_id, attempt, number from export_parts where job_id = $1 and attempt < $2 limit $3) old
         where p.job_id = old.job_id and p.attempt = old.attempt and p.number = old.number",
        lease.job.as_uuid(),
        lease.attempt,
        max_rows,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// The size of an export's file, in bytes; `None` unless it is complete.
pub async fn file_size(db: impl PgExecutor<'_>, user: UserId, id: AccountJobId) -> Result<Option<i64>> {
    let size = sqlx::query_scalar!(
        r#"select (select sum(length(p.content)) from export_parts p where p.job_id = j.id and p.attempt = j.attempt) as size
           from jobs j
           where j.id = $1 and j.user_id = $2 and j.kind = 'export' and j.status = 'done' and j.expires_at > now()"#,
        id.as_uuid(),
        user.as_uuid(),
    )
    .fetch_optional(db)
    .await?;
    Ok(size.flatten())
}

/// A part of the file.
pub async fn part(db: impl PgExecutor<'_>, id: AccountJobId, number: i32) -> Result<Option<Vec<u8>>> {
    sqlx::query_scalar!(
        "select p.content from jobs j
         join export_parts p on p.job_id = j.id and p.attempt = j.attempt and p.number = $2
         where j.id = $1 and j.status = 'done'",
        id.as_uuid(),
        number,
    )
    .fetch_optional(db)
    .await
}
