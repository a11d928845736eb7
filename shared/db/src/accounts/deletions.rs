//! Deletion of a user's data, in bounded batches. Each call looks for what is left, so it can be repeated and resumed.
//!
//! Most rows would cascade from the account's row, but in one statement that might take hours.

use sqlx::{PgExecutor, Result};
use troupe_core::ids::{ConversationId, UserId};
use uuid::Uuid;

/// Closes an account: no sign-ins, and its personas are hidden from all. `false` where it is closed already.
pub async fn close(db: impl PgExecutor<'_>, user: UserId) -> Result<bool> {
    let closed = sqlx::query_scalar!(
        "with closed as (
             update users set closed_at = now() where id = $1 and closed_at is null returning id
         ), hidden as (
             update personas p set visibility = 'private' from closed c where p.owner_id = c.id
         )
         select id from closed",
        user.as_uuid(),
    )
    .fetch_optional(db)
    .await?;
    Ok(closed.is_some())
}

/// A conversation of this user, or of anybody with a persona of this user.
pub async fn next_conversation(db: impl PgExecutor<'_>, user: UserId) -> Result<Option<ConversationId>> {
    sqlx::query_scalar!(
        r#"select id as "id!: ConversationId" from (
               (select id from conversations where user_id = $1 order by id limit 1)
               union all
               (select c.id from personas p
                cross join lateral (select id from conversations where persona_id = p.id limit 1) c where p.owner_id = $1 limit 1)
           ) any_of_them limit 1"#,
        user.as_uuid(),
    )
    .fetch_optional(db)
    .await
}

/// Deletes requests of a conversation, with their messages and ratings.
pub async fn delete_requests(db: impl PgExecutor<'_>, conversation: ConversationId, max_rows: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from requests where id in (
             select request_id from messages where conversation_id = $1 order by position limit $2)",
        conversation.as_uuid(),
        max_rows,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Deletes an empty conversation.
pub async fn delete_conversation(db: impl PgExecutor<'_>, conversation: ConversationId) -> Result<u64> {
    let done = sqlx::query!("delete from conversations where id = $1", conversation.as_uuid()).execute(db).await?;
    Ok(done.rows_affected())
}

/// Memories of this user, and memories of this user's personas.
pub async fn delete_memories(db: impl PgExecutor<'_>, user: UserId, max_rows: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from memories where id in (
             (select id from memories where user_id = $1 limit $2)
             union
             (select m.id from personas p
              cross join lateral (select id from memories where persona_id = p.id limit $2) m where p.owner_id = $1 limit $2))",
        user.as_uuid(),
        max_rows,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

pub async fn delete_documents(db: impl PgExecutor<'_>, user: UserId, max_rows: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from documents where id in (
             select d.id from personas p
              cross join lateral (select id from documents where persona_id = p.id limit $2) d where p.owner_id = $1 limit $2)",
        user.as_uuid(),
        max_rows,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

pub async fn delete_answers(db: impl PgExecutor<'_>, user: UserId, max_rows: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from responses where id in (
             select r.id from personas p
              cross join lateral (select id from responses where persona_id = p.id limit $2) r where p.owner_id = $1 limit $2)",
        user.as_uuid(),
        max_rows,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Deletes a persona, with its budget and spending.
pub async fn delete_persona(db: impl PgExecutor<'_>, user: UserId) -> Result<u64> {
    let persona: Option<Uuid> = sqlx::query_scalar!(
        "with persona as (
             delete from personas where id = (select id from personas where owner_id = $1 order by id limit 1) returning id
         ), budget as (
             delete from budgets b using persona p where b.scope = 'persona' and b.subject = p.id::text
         ), spent as (
             delete from spending s using persona p where s.scope = 'persona' and s.subject = p.id::text
         )
         select id from persona",
        user.as_uuid(),
    )
    .fetch_optional(db)
    .await?;
    Ok(u64::from(persona.is_some()))
}

pub async fn delete_questions(db: impl PgExecutor<'_>, user: UserId, max_rows: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from questions where id in (select id from questions where owner_id = $1 limit $2)",
        user.as_uuid(),
        max_rows,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// The files of this user's exports.
pub async fn delete_export_parts(db: impl PgExecutor<'_>, user: UserId, max_rows: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from export_parts p using (
             select p.job_id, p.attempt, p.number from jobs j join export_parts p on p.job_id = j.id
             where j.user_id = $1 and j.kind = 'export' limit $2) old
         where p.job_id = old.job_id and p.attempt = old.attempt and p.number = old.number",
        user.as_uuid(),
        max_rows,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// The user's jobs.
pub async fn delete_jobs(db: impl PgExecutor<'_>, user: UserId) -> Result<u64> {
    let done =
        sqlx::query!("delete from jobs where user_id = $1 and kind <> 'deletion'", user.as_uuid()).execute(db).await?;
    Ok(done.rows_affected())
}

pub async fn delete_idempotency_keys(db: impl PgExecutor<'_>, user: UserId, max_rows: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from idempotency_keys where user_id = $1 and key in (
             select key from idempotency_keys where user_id = $1 order by key limit $2)",
        user.as_uuid(),
        max_rows,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// The user's budget and spending.
pub async fn delete_money(db: impl PgExecutor<'_>, user: UserId) -> Result<u64> {
    let done = sqlx::query!(
        "with budget as (delete from budgets where scope = 'user' and subject = ($1::uuid)::text)
         delete from spending where scope = 'user' and subject = ($1::uuid)::text",
        user.as_uuid(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Deletes the account itself, with its sign-ins and keys, and the link from its pseudonym in the audit log to the
/// person.
pub async fn delete_account(db: impl PgExecutor<'_>, user: UserId) -> Result<u64> {
    let done = sqlx::query!(
        "with nameless as (update jobs set key = null, user_id = null where user_id = $1)
         delete from users where id = $1",
        user.as_uuid(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
