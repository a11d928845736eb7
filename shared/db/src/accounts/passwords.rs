//! Passwords and password links. Only hashes and digests are stored.

use std::time::Duration;

use sqlx::{PgExecutor, Result};
use troupe_core::{
    ids::UserId,
    model::{AccountRole, User},
};

/// Sets an account's password; an open link becomes void.
pub async fn set(db: impl PgExecutor<'_>, id: UserId, hash: &str) -> Result<()> {
    sqlx::query!(
        "update users set password_hash = $2, reset_digest = null, reset_until = null where id = $1",
        id.as_uuid(),
        hash,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Stores another hash of the same password, unless the password has changed meanwhile.
pub async fn improve(db: impl PgExecutor<'_>, id: UserId, before: &str, hash: &str) -> Result<()> {
    sqlx::query!(
        "update users set password_hash = $3 where id = $1 and password_hash = $2",
        id.as_uuid(),
        before,
        hash,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The addressee of a link.
pub struct Addressee {
    pub id: UserId,
    pub email: String,
}

/// Creates the account's link, replacing an earlier one. `None` where there is no such account, or where a link was
/// created within the interval: nobody's mailbox can be flooded.
pub async fn make_link(
    db: impl PgExecutor<'_>,
    email: &str,
    digest: &[u8],
    ttl: Duration,
    interval: Duration,
) -> Result<Option<Addressee>> {
    sqlx::query_as!(
        Addressee,
        r#"update users set reset_digest = $2, reset_until = now() + make_interval(secs => $3)
           where lower(email) = lower($1) and kind = 'person' and closed_at is null
             and (reset_until is null or reset_until <= now() + make_interval(secs => $3) - make_interval(secs => $4))
           returning id as "id: UserId", email"#,
        email,
        digest,
        ttl.as_secs_f64(),
        interval.as_secs_f64(),
    )
    .fetch_optional(db)
    .await
}

/// Replaces a link that may not have been delivered. `None` where it is no longer the account's: a password was set, or
/// a newer link was created.
pub async fn replace_link(
    db: impl PgExecutor<'_>,
    user: UserId,
    before: &[u8],
    digest: &[u8],
    ttl: Duration,
) -> Result<Option<Addressee>> {
    sqlx::query_as!(
        Addressee,
        r#"update users set reset_digest = $3, reset_until = now() + make_interval(secs => $4)
           where id = $1 and reset_digest = $2 and closed_at is null
           returning id as "id: UserId", email"#,
        user.as_uuid(),
        before,
        digest,
        ttl.as_secs_f64(),
    )
    .fetch_optional(db)
    .await
}

/// The account of a link; `None` for an invalid one.
pub async fn owner_of_link(db: impl PgExecutor<'_>, digest: &[u8]) -> Result<Option<User>> {
    sqlx::query_as!(
        User,
        r#"select id as "id: UserId", email, name, role as "role: AccountRole", tier, created_at from users
           where reset_digest = $1 and reset_until > now() and closed_at is null"#,
        digest,
    )
    .fetch_optional(db)
    .await
}

/// Sets the password and consumes the link: of two concurrent calls the second gets `None`. The link came by e-mail, so
/// it verifies the address too.
pub async fn use_link(db: impl PgExecutor<'_>, digest: &[u8], hash: &str) -> Result<Option<UserId>> {
    sqlx::query_scalar!(
        r#"update users set password_hash = $2, reset_digest = null, reset_until = null,
               email_verified_at = coalesce(email_verified_at, now()), verify_digest = null, verify_until = null
           where reset_digest = $1 and reset_until > now() and closed_at is null
           returning id as "id: UserId""#,
        digest,
        hash,
    )
    .fetch_optional(db)
    .await
}
