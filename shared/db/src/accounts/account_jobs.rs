//! Exports and deletions of what is somebody's: who has one under way, and how far it is.
//!
//! A worker takes one for a while and renews that with each page. Whatever an attempt writes that another has followed is
//! refused, because every statement of it names the attempt.

use std::time::Duration;

use sqlx::{PgExecutor, Result};
use troupe_core::{
    ids::{AccountJobId, UserId},
    model::account_data::{AccountJob, AccountJobKind, AccountJobStatus},
};

/// One that a worker has taken.
#[derive(Debug, Clone)]
pub struct Taken {
    pub id: AccountJobId,
    pub kind: AccountJobKind,
    pub user: UserId,
    pub attempt: i32,
}

/// How far it is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    pub step: &'static str,
    pub steps_done: i32,
    pub steps: i32,
    pub items: i64,
}

/// Starts one, to be taken up by a worker. Where one of the kind is under way for this user, `account_jobs_open_key` is violated.
pub async fn start(
    db: impl PgExecutor<'_>,
    id: AccountJobId,
    user: UserId,
    kind: AccountJobKind,
) -> Result<AccountJob> {
    sqlx::query_as!(
        AccountJob,
        r#"insert into account_jobs (id, user_id, kind, steps) values ($1, $2, $3, 0)
           returning id as "id: AccountJobId", kind as "kind: AccountJobKind", status as "status: AccountJobStatus", step,
               steps_done, steps, items, created_at, finished_at, expires_at"#,
        id.as_uuid(),
        user.as_uuid(),
        kind as AccountJobKind,
    )
    .fetch_one(db)
    .await
}

/// One of this user's, until it is forgotten.
pub async fn find(db: impl PgExecutor<'_>, user: UserId, id: AccountJobId) -> Result<Option<AccountJob>> {
    sqlx::query_as!(
        AccountJob,
        r#"select id as "id: AccountJobId", kind as "kind: AccountJobKind", status as "status: AccountJobStatus", step,
               steps_done, steps, items, created_at, finished_at, expires_at
           from account_jobs where id = $1 and user_id = $2 and (expires_at is null or expires_at > now())"#,
        id.as_uuid(),
        user.as_uuid(),
    )
    .fetch_optional(db)
    .await
}

/// A deletion, whosever it is: who has its id may see how far it is, for nobody can sign in to ask.
pub async fn find_deletion(db: impl PgExecutor<'_>, id: AccountJobId) -> Result<Option<AccountJob>> {
    sqlx::query_as!(
        AccountJob,
        r#"select id as "id: AccountJobId", kind as "kind: AccountJobKind", status as "status: AccountJobStatus", step,
               steps_done, steps, items, created_at, finished_at, expires_at
           from account_jobs where id = $1 and kind = 'deletion' and (expires_at is null or expires_at > now())"#,
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await
}

/// Has the user's earlier exports forgotten: the newest file is the one that is kept.
pub async fn forget_exports(db: impl PgExecutor<'_>, user: UserId) -> Result<()> {
    sqlx::query!(
        "update account_jobs set expires_at = now() where user_id = $1 and kind = 'export' and finished_at is not null",
        user.as_uuid(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes what has waited longest, for so long.
pub async fn take(db: impl PgExecutor<'_>, lease: Duration) -> Result<Option<Taken>> {
    sqlx::query_as!(
        Taken,
        r#"update account_jobs j set attempt = j.attempt + 1, status = 'running',
               due_at = clock_timestamp() + make_interval(secs => $1)
           from (select id from account_jobs where due_at <= now() order by due_at limit 1 for update skip locked) due
           where j.id = due.id and j.user_id is not null
           returning j.id as "id: AccountJobId", j.kind as "kind: AccountJobKind", j.user_id as "user!: UserId", j.attempt"#,
        lease.as_secs_f64(),
    )
    .fetch_optional(db)
    .await
}

/// Says how far it is, and keeps it for so long; `false` where another worker has it, or nobody wants it any more. In a
/// transaction nobody else takes it until the end of that.
pub async fn renew(db: impl PgExecutor<'_>, taken: &Taken, progress: Progress, lease: Duration) -> Result<bool> {
    let done = sqlx::query!(
        "update account_jobs set step = $3, steps_done = $4, steps = $5, items = $6,
             due_at = clock_timestamp() + make_interval(secs => $7)
         where id = $1 and attempt = $2 and status = 'running'",
        taken.id.as_uuid(),
        taken.attempt,
        progress.step,
        progress.steps_done,
        progress.steps,
        progress.items,
        lease.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Keeps it for so long, however far it is; `false` where another worker has it.
pub async fn keep(db: impl PgExecutor<'_>, taken: &Taken, lease: Duration) -> Result<bool> {
    let done = sqlx::query!(
        "update account_jobs set due_at = clock_timestamp() + make_interval(secs => $3)
         where id = $1 and attempt = $2 and status = 'running'",
        taken.id.as_uuid(),
        taken.attempt,
        lease.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends it; it is forgotten after so long. `false` where another worker has it.
pub async fn finish(db: impl PgExecutor<'_>, taken: &Taken, status: AccountJobStatus, kept: Duration) -> Result<bool> {
    let done = sqlx::query!(
        "update account_jobs set status = $3, step = null, steps_done = case when $3 = 'done' then steps else steps_done end,
             finished_at = now(), due_at = null, expires_at = now() + make_interval(secs => $4)
         where id = $1 and attempt = $2 and status = 'running'",
        taken.id.as_uuid(),
        taken.attempt,
        status as AccountJobStatus,
        kept.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Puts it back, to be taken after a pause.
pub async fn put_back(db: impl PgExecutor<'_>, taken: &Taken, pause: Duration) -> Result<()> {
    sqlx::query!(
        "update account_jobs set status = 'waiting', due_at = now() + make_interval(secs => $3)
         where id = $1 and attempt = $2 and status = 'running'",
        taken.id.as_uuid(),
        taken.attempt,
        pause.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Keeps a piece of an export's file; `false` where another worker has the export.
pub async fn keep_part(db: impl PgExecutor<'_>, taken: &Taken, number: i32, content: &[u8]) -> Result<bool> {
    let done = sqlx::query!(
        "insert into export_parts (job_id, attempt, number, content)
         select id, attempt, $3, $4 from account_jobs where id = $1 and attempt = $2 and status = 'running'",
        taken.id.as_uuid(),
        taken.attempt,
        number,
        content,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Removes what earlier attempts at an export have written; returns how many pieces.
pub async fn remove_earlier_parts(db: impl PgExecutor<'_>, taken: &Taken, most: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from export_parts p using (
             select job_id, attempt, number from export_parts where job_id = $1 and attempt < $2 limit $3) old
         where p.job_id = old.job_id and p.attempt = old.attempt and p.number = old.number",
        taken.id.as_uuid(),
        taken.attempt,
        most,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// How long the file of an export is, in bytes; `None` unless it is whole and there.
pub async fn file_size(db: impl PgExecutor<'_>, user: UserId, id: AccountJobId) -> Result<Option<i64>> {
    let size = sqlx::query_scalar!(
        r#"select (select sum(length(p.content)) from export_parts p where p.job_id = j.id and p.attempt = j.attempt) as size
           from account_jobs j
           where j.id = $1 and j.user_id = $2 and j.kind = 'export' and j.status = 'done' and j.expires_at > now()"#,
        id.as_uuid(),
        user.as_uuid(),
    )
    .fetch_optional(db)
    .await?;
    Ok(size.flatten())
}

/// A piece of the file.
pub async fn part(db: impl PgExecutor<'_>, id: AccountJobId, number: i32) -> Result<Option<Vec<u8>>> {
    sqlx::query_scalar!(
        "select p.content from account_jobs j
         join export_parts p on p.job_id = j.id and p.attempt = j.attempt and p.number = $2
         where j.id = $1 and j.status = 'done'",
        id.as_uuid(),
        number,
    )
    .fetch_optional(db)
    .await
}
