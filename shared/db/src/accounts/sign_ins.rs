//! Sign-ins with tokens: single-use refresh tokens, and revoked credentials.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor, Result};
use troupe_core::ids::{CredentialId, UserId};

/// The client of a sign-in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client<'a> {
    pub agent: Option<&'a str>,
    pub address: Option<std::net::IpAddr>,
}

/// A sign-in, as shown to its user.
#[derive(Debug, Clone)]
pub struct SignIn {
    pub id: CredentialId,
    pub created_at: DateTime<Utc>,
    pub last_used_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub agent: Option<String>,
    pub address: Option<String>,
}

/// The result of using a refresh token.
#[derive(Debug, Clone)]
pub enum Refreshed {
    /// The next token is stored.
    Yes { sign_in: CredentialId, user: UserId, tier: String },
    /// Reused, so it may be stolen: the sign-in is revoked.
    Reused { sign_in: CredentialId, user: UserId },
    /// Unknown, or expired.
    Unknown,
}

/// Lifetimes of a sign-in.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// Of an unused refresh token.
    pub idle: Duration,
    /// Of the sign-in, regardless of use.
    pub max_age: Duration,
    /// The grace period in which a used token may be used again: the response with the next one may have been lost.
    pub grace: Duration,
}

/// Stores a sign-in with its first refresh token.
pub async fn create(
    db: impl PgExecutor<'_>,
    id: CredentialId,
    user: UserId,
    digest: &[u8],
    client: Client<'_>,
    lifetimes: Lifetimes,
) -> Result<()> {
    let address = client.address.map(|address| address.to_string());
    sqlx::query!(
        "with made as (
             insert into sign_ins (id, user_id, expires_at, agent, address)
             values ($1, $2, now() + make_interval(secs => $3), left($4, 300), $5::text::inet) returning id
         )
         insert into refresh_tokens (digest, sign_in_id) select $6, id from made",
        id.as_uuid(),
        user.as_uuid(),
        lifetimes.max_age.as_secs_f64(),
        client.agent,
        address,
        digest,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Consumes a refresh token and stores the next. Its row is locked: of two concurrent calls one is first.
pub async fn refresh(db: &mut PgConnection, shown: &[u8], next: &[u8], lifetimes: Lifetimes) -> Result<Refreshed> {
    let found = sqlx::query!(
        r#"select s.id as "sign_in: CredentialId", s.user_id as "user: UserId", u.tier,
               s.expires_at <= now() or (r.used_at is null and r.created_at <= now() - make_interval(secs => $2)) as "over!",
               r.used_at is not null as "used!",
               r.used_at > now() - make_interval(secs => $3) and not exists (
                   select 1 from refresh_tokens n
                   where n.sign_in_id = r.sign_in_id and n.created_at >= r.used_at and n.used_at is not null
               ) as "lost"
           from refresh_tokens r join sign_ins s on s.id = r.sign_in_id join users u on u.id = s.user_id
           where r.digest = $1 for update of r"#,
        shown,
        lifetimes.idle.as_secs_f64(),
        lifetimes.grace.as_secs_f64(),
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(found) = found.filter(|found| !found.over) else { return Ok(Refreshed::Unknown) };
    if found.used && found.lost != Some(true) {
        end(&mut *db, found.user, found.sign_in).await?;
        return Ok(Refreshed::Reused { sign_in: found.sign_in, user: found.user });
    }
    sqlx::query!(
        "with used as (
             update refresh_tokens set used_at = coalesce(used_at, now()) where digest = $1 returning sign_in_id
         ), seen as (
             update sign_ins s set last_used_at = now() from used where s.id = used.sign_in_id
         )
         insert into refresh_tokens (digest, sign_in_id) select $2, sign_in_id from used",
        shown,
        next,
    )
    .execute(db)
    .await?;
    Ok(Refreshed::Yes { sign_in: found.sign_in, user: found.user, tier: found.tier })
}

/// A user's sign-ins, the newest first.
pub async fn list(db: impl PgExecutor<'_>, user: UserId) -> Result<Vec<SignIn>> {
    sqlx::query_as!(
        SignIn,
        r#"select id as "id: CredentialId", created_at, last_used_at, expires_at, agent, host(address) as address
           from sign_ins where user_id = $1 and expires_at > now() order by id desc limit 200"#,
        user.as_uuid(),
    )
    .fetch_all(db)
    .await
}

/// Ends one of a user's sign-ins; `false` where there is none.
pub async fn end(db: impl PgExecutor<'_>, user: UserId, id: CredentialId) -> Result<bool> {
    let done = sqlx::query!(
        "with gone as (delete from sign_ins where id = $2 and user_id = $1 returning id)
         insert into ended_credentials (id) select id from gone",
        user.as_uuid(),
        id.as_uuid(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends all of a user's sign-ins but one; returns them.
pub async fn end_all(db: impl PgExecutor<'_>, user: UserId, but: Option<CredentialId>) -> Result<Vec<CredentialId>> {
    sqlx::query_scalar!(
        r#"with gone as (delete from sign_ins where user_id = $1 and id is distinct from $2 returning id)
           insert into ended_credentials (id) select id from gone returning id as "id: CredentialId""#,
        user.as_uuid(),
        but.map(CredentialId::as_uuid),
    )
    .fetch_all(db)
    .await
}

/// Records credentials as revoked that are stored elsewhere.
pub async fn mark_ended(db: impl PgExecutor<'_>, ids: &[CredentialId]) -> Result<()> {
    let ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
    sqlx::query!("insert into ended_credentials (id) select unnest($1::uuid[]) on conflict do nothing", &ids)
        .execute(db)
        .await?;
    Ok(())
}

/// Credentials that were revoked within this time.
pub async fn revoked_since(db: impl PgExecutor<'_>, time: Duration) -> Result<Vec<CredentialId>> {
    sqlx::query_scalar!(
        r#"select id as "id: CredentialId" from ended_credentials where ended_at > now() - make_interval(secs => $1)"#,
        time.as_secs_f64(),
    )
    .fetch_all(db)
    .await
}
