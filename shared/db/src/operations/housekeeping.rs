//! Removal of expired rows, in batches: each statement takes a bounded number of rows, and skips locked ones.

use std::time::Duration;

use sqlx::{PgExecutor, Result};
use troupe_core::ids::RequestId;
use uuid::Uuid;

/// Removes keys that are older than this; returns how many.
pub async fn remove_idempotency_keys(db: impl PgExecutor<'_>, kept: Duration, max_rows: i64) -> Result<u64> {
    let done = sqlx::query!(
        "with expired as (
             select user_id, key from idempotency_keys where created_at < now() - make_interval(secs => $1)
             order by created_at limit $2 for update skip locked
         )
         delete from idempotency_keys k using expired e where k.user_id = e.user_id and k.key = e.key",
        kept.as_secs_f64(),
        max_rows,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Removes spending of days longer ago than this; returns how many rows.
pub async fn remove_spending(db: impl PgExecutor<'_>, kept: Duration, max_rows: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from spending where ctid = any (array(
             select ctid from spending where day < (now() at time zone 'utc' - make_interval(secs => $1))::date
             order by day limit $2 for update skip locked))",
        kept.as_secs_f64(),
        max_rows,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Removes expired files of exports; returns how many parts.
pub async fn remove_export_parts(db: impl PgExecutor<'_>, max_rows: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from export_parts p using (
             select p.job_id, p.attempt, p.number from jobs j join export_parts p on p.job_id = j.id
             where j.expires_at <= now() limit $1) old
         where p.job_id = old.job_id and p.attempt = old.attempt and p.number = old.number",
        max_rows,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Removes expired jobs, exports once their files are gone; returns how many.
pub async fn remove_jobs(db: impl PgExecutor<'_>, max_rows: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from jobs where id in (
             select id from jobs j
             where expires_at <= now() and not exists (select from export_parts p where p.job_id = j.id)
             order by expires_at limit $1 for update skip locked)",
        max_rows,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Locks requests that ended longer ago than this, the oldest after the given one first. What somebody else has locked
/// is left for the next time.
///
/// No separate index: ids are ordered by time of creation, so old requests are the first of the primary key.
pub async fn lock_old_requests(
    db: impl PgExecutor<'_>,
    kept: Duration,
    after: Option<RequestId>,
    max_rows: i64,
) -> Result<Vec<RequestId>> {
    sqlx::query_scalar!(
        r#"select id as "id: RequestId" from requests
           where id > $2
             and id < (lpad(to_hex(floor(extract(epoch from now() - make_interval(secs => $1)) * 1000)::bigint), 12, '0')
                       || repeat('0', 20))::uuid
             and finished_at < now() - make_interval(secs => $1)
           order by id limit $3 for update skip locked"#,
        kept.as_secs_f64(),
        after.map_or(Uuid::nil(), RequestId::as_uuid),
        max_rows,
    )
    .fetch_all(db)
    .await
}

/// Everything that is stored of these requests, as a JSON document each: the request, its conversation's title and
/// persona, its messages and its attempts.
pub async fn request_records(db: impl PgExecutor<'_>, ids: &[RequestId]) -> Result<Vec<String>> {
    sqlx::query_scalar!(
        r#"select jsonb_build_object(
               'request', to_jsonb(r),
               'conversation', jsonb_build_object('id', c.id, 'title', c.title, 'persona', p.slug),
               'messages', (select coalesce(jsonb_agg(to_jsonb(m) order by m.position), '[]')
                            from messages m where m.request_id = r.id),
               'attempts', (select coalesce(jsonb_agg(to_jsonb(a) order by a.number), '[]')
                            from attempts a where a.request_id = r.id)
           )::text as "record!"
           from requests r
           join conversations c on c.id = r.conversation_id
           join personas p on p.id = c.persona_id
           where r.id = any($1) order by r.id"#,
        ids as &[RequestId],
    )
    .fetch_all(db)
    .await
}

/// Removes requests with their messages.
pub async fn remove_requests(db: impl PgExecutor<'_>, ids: &[RequestId]) -> Result<()> {
    sqlx::query!("delete from requests where id = any($1)", ids as &[RequestId]).execute(db).await?;
    Ok(())
}

/// Tables whose rows expire by a date of their own, which is indexed.
#[derive(Debug, Clone, Copy)]
pub enum Expired {
    SocketTickets,
    SignIns,
    /// Used refresh tokens; a later reuse is merely unknown.
    UsedRefreshTokens,
    /// Ended credentials, of which nothing can still be valid.
    EndedCredentials,
    SignedCalls,
    /// Keys that have signed nothing for this long.
    SigningKeys,
    /// Invitations that were used or expired so long ago that admins have seen which; the audit log keeps it.
    Invitations,
    /// Temporary conversations, a day after their last message.
    TemporaryConversations,
}

impl Expired {
    pub const ALL: [Self; 8] = [
        Self::SocketTickets,
        Self::SignIns,
        Self::UsedRefreshTokens,
        Self::EndedCredentials,
        Self::SignedCalls,
        Self::SigningKeys,
        Self::Invitations,
        Self::TemporaryConversations,
    ];
}

/// Removes what has expired; returns how many rows.
pub async fn remove_expired(db: impl PgExecutor<'_>, what: Expired, max_rows: i64) -> Result<u64> {
    let done = match what {
        Expired::SocketTickets => {
            sqlx::query!(
                "delete from socket_tickets where ctid = any (array(
                     select ctid from socket_tickets where expires_at < now()
                     order by expires_at limit $1 for update skip locked))",
                max_rows,
            )
            .execute(db)
            .await?
        }
        Expired::SignIns => {
            sqlx::query!(
                "delete from sign_ins where ctid = any (array(
                     select ctid from sign_ins where expires_at < now() order by expires_at limit $1 for update skip locked))",
                max_rows,
            )
            .execute(db)
            .await?
        }
        Expired::UsedRefreshTokens => {
            sqlx::query!(
                "delete from refresh_tokens where ctid = any (array(
                     select ctid from refresh_tokens where used_at < now() - interval '1 day'
                     order by used_at limit $1 for update skip locked))",
                max_rows,
            )
            .execute(db)
            .await?
        }
        Expired::EndedCredentials => {
            sqlx::query!(
                "delete from ended_credentials where ctid = any (array(
                     select ctid from ended_credentials where ended_at < now() - interval '2 days'
                     order by ended_at limit $1 for update skip locked))",
                max_rows,
            )
            .execute(db)
            .await?
        }
        Expired::SignedCalls => {
            sqlx::query!(
                "delete from signed_calls where ctid = any (array(
                     select ctid from signed_calls where expires_at < now()
                     order by expires_at limit $1 for update skip locked))",
                max_rows,
            )
            .execute(db)
            .await?
        }
        Expired::SigningKeys => {
            sqlx::query!(
                "delete from signing_keys where id in (
                     select id from signing_keys where retired_at < now() - interval '2 days' limit $1)",
                max_rows,
            )
            .execute(db)
            .await?
        }
        Expired::Invitations => {
            sqlx::query!(
                "delete from invitations where ctid = any (array(
                     select ctid from invitations where coalesce(used_at, expires_at) < now() - interval '30 days'
                     order by coalesce(used_at, expires_at) limit $1 for update skip locked))",
                max_rows,
            )
            .execute(db)
            .await?
        }
        Expired::TemporaryConversations => {
            sqlx::query!(
                "delete from conversations where id in (
                     select c.id from conversations c
                     where c.temporary and c.created_at < now() - interval '1 day'
                       and not exists (select from messages where conversation_id = c.id
                                       and created_at >= now() - interval '1 day' offset 0)
                       and not exists (select from requests where user_id = c.user_id and conversation_id = c.id
                                       and finished_at is null offset 0)
                     order by c.created_at limit $1 for update skip locked)",
                max_rows,
            )
            .execute(db)
            .await?
        }
    };
    Ok(done.rows_affected())
}
